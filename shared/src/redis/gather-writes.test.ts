import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRedis, until } from '../../../scripts/testing/task-redis.ts';
import { gatherWrites } from './gather-writes.ts';

const setup = taskRedis();

/** How often Redis has read from any connection. */
async function reads(server: { cli(...args: string[]): Promise<string> }): Promise<number> {
  return Number(/total_reads_processed:(\d+)/.exec(await server.cli('INFO', 'stats'))?.[1]);
}

test('commands of one turn reach Redis in two writes, and are answered in their order', async (t) => {
  const { redis, server } = setup(t);
  gatherWrites(redis);
  await redis.ping();
  const before = await reads(server);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => redis.rpush('gathered', `value ${i}`)));
  const after = await reads(server);
  assert.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  assert.deepEqual(
    await redis.lrange('gathered', 0, -1),
    Array.from({ length: 100 }, (_, i) => `value ${i}`),
  );
  // The two, and what redis-cli needs to ask: its INFO, and the end of its connection.
  assert.ok(after - before <= 5, `${after - before} reads`);
});

test('a command alone does not wait for the end of its turn', async (t) => {
  const { redis } = setup(t);
  gatherWrites(redis);
  await redis.ping();
  await new Promise((resolve) => setImmediate(resolve));
  const written = redis.stream.bytesWritten;
  const answer = redis.ping();
  assert.ok(redis.stream.bytesWritten > written);
  assert.equal(redis.stream.writableCorked, 0);
  assert.equal(await answer, 'PONG');
});

test('commands gathered while the connection is lost are sent over the next one', async (t) => {
  const { redis, server } = setup(t);
  gatherWrites(redis);
  await redis.ping();
  for (let i = 0; i < 5; i++) {
    const sent = Promise.all(Array.from({ length: 50 }, () => redis.incr('survivor')));
    redis.stream.destroy();
    assert.equal((await sent).length, 50);
    await until(() => redis.status === 'ready');
  }
  assert.ok(Number(await server.cli('GET', 'survivor')) >= 250);
});
