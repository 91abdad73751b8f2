/** Many submits while Redis is dead: each is refused and forgotten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post } from '../testing/client.ts';
import { cpuMs } from '../testing/raw.ts';
import { startSystem } from '../testing/system.ts';
import { until } from '../testing/until.ts';

const SUBMITS = 3_000;
const WATCHED_MS = 2_000;

test('thousands of submits refused while Redis is dead leave the API idle, and nothing to do for a Redis that is back', async (t) => {
  const system = await startSystem({ runners: 0, relays: 0 });
  t.after(system.stop);
  const { url, redis, apis } = system;
  const pid = apis[0]?.child.pid;
  assert.equal((await post(url, '/api/chat', chat())).status, 202);
  await redis.kill();
  await until('the API knows', async () => (await fetch(`${url}/readyz`)).status === 503);
  let left = SUBMITS;
  const statuses = new Map<number, number>();
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (left-- > 0) {
        const { status } = await post(url, '/api/chat', chat());
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }),
  );
  assert.deepEqual([...statuses], [[503, SUBMITS]]);

  const idleMs = async () => {
    const before = await cpuMs(pid);
    await delay(WATCHED_MS);
    return (await cpuMs(pid)) - before;
  };
  const awayMs = await idleMs();
  await redis.restart();
  await until('the API accepts', async () => (await fetch(`${url}/readyz`)).ok);
  const backMs = await idleMs();
  t.diagnostic(`CPU in ${WATCHED_MS} ms: ${awayMs} ms while Redis was away, ${backMs} ms when it was back`);
  assert.ok(awayMs <= 400, `${awayMs} ms`);
  assert.ok(backMs <= 400, `${backMs} ms`);

  const stats = await redis.cli('INFO', 'commandstats');
  // The probe of /readyz goes by EVAL all the time; all that a submit runs goes by EVALSHA or FCALL.
  const calls = [...stats.matchAll(/cmdstat_(?:evalsha|fcall):calls=(\d+)/g)].map(([, count]) => Number(count));
  const scripts = calls.reduce((sum, count) => sum + count, 0);
  t.diagnostic(`scripts since Redis was back: ${scripts}`);
  assert.ok(scripts <= 20, `${scripts} scripts`);
  assert.equal(await redis.cli('ZCARD', 'bl:{0}:open'), '1');
});
