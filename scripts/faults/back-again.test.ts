/** The end of an outage, as one client sees it: whoever is told that Redis is there can use it, and goes on to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { connected } from '@beanline/shared/redis/connect.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { wire } from '@beanline/shared/wire.ts';
import { testCluster } from '../testing/test-cluster.ts';
import { testRedis } from '../testing/test-redis.ts';

const ROUNDS = 3;
/** Longer than any back-off of a connection. */
const WATCHED_MS = 1_500;
const PATIENCE_MS = 30_000;

for (const [name, start] of [
  ['one Redis', testRedis],
  ['a Cluster', testCluster],
] as const) {
  test(`an API that is told that ${name} is back from a restart can use it, and its connections stay`, async (t) => {
    const redis = await start();
    t.after(redis.stop);
    const config = readConfig({ REDIS_URL: redis.url, LOG_LEVEL: 'silent' });
    const api = wire(config, { program: 'api', log: createLog({ level: 'silent', name: 'test' }) });
    t.after(api.close);
    const { clock, tasks, partitions } = api.deps;
    await clock.ready();
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    async function told(what: 'away' | 'there') {
      const deadline = performance.now() + PATIENCE_MS;
      while (!all.every((partition) => clock.available(partition) === (what === 'there'))) {
        assert.ok(performance.now() < deadline, `it is never told that Redis is ${what}`);
        await turn();
      }
    }
    let closed = 0;
    api.queueRedis.on('close', () => closed++);
    for (let round = 0; round < ROUNDS; round++) {
      await redis.kill();
      await told('away');
      await redis.restart();
      await told('there');
      await connected(api.queueRedis);
      closed = 0;
      for (const until = performance.now() + WATCHED_MS; performance.now() < until; await delay(5)) {
        for (const partition of all) {
          const task = makeTaskId(Date.now(), partition);
          const read = clock.guard(() => tasks.read('anna', task), { task });
          // On a busy machine the clock itself may say for a moment that Redis is away: then nothing was tried.
          const refused = await read.then(assert.ifError, (error: Error) => error);
          if (refused) assert.deepEqual([refused.message, refused.cause], ['Redis is not reachable.', undefined]);
        }
      }
      assert.equal(closed, 0, 'a connection that is back stays');
    }
  });
}
