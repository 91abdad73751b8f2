/** A sweep that takes longer than the lease, as with a long queue or a far Redis: it is done once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { chat, submit } from '../testing/client.ts';
import { flakyNetwork } from '../testing/flaky-network.ts';
import { startSystem } from '../testing/system.ts';
import { testRedis } from '../testing/test-redis.ts';

const TASKS = 2_000;
const LEASE_MS = 3_000;
const FIRST_CHECK_MS = 600_000;

/** Records like the given one, under other ids. */
const COPY = `
local record = redis.call('HGETALL', KEYS[1])
for _, id in ipairs(ARGV) do
  redis.call('HSET', string.gsub(KEYS[1], 'task_.*$', id), unpack(record))
  redis.call('ZADD', KEYS[2], 1, id)
end`;

test('a sweep that takes longer than the lease keeps the lease, and looks at every task once', async (t) => {
  const redis = await testRedis();
  t.after(redis.stop);
  const network = await flakyNetwork(redis, { delayMs: 30 });
  t.after(network.stop);
  const env = { SWEEP_FIRST_CHECK_MS: String(FIRST_CHECK_MS) };
  const near = await startSystem({ redis, runners: 0, relays: 0, env });
  t.after(near.stop);
  const far = await startSystem({ redis: network.redis, apis: 0, runners: 0, relays: 0, env });
  t.after(far.stop);
  const first = await submit(near.url, chat('later', { delay_ms: 3_600_000 }));
  await redis.cli('ZADD', 'bl:{0}:open', '1', first);
  const copies = Array.from({ length: TASKS - 1 }, () => makeTaskId(Date.now(), 0));
  for (let from = 0; from < copies.length; from += 1_000) {
    const ids = copies.slice(from, from + 1_000);
    await redis.cli('EVAL', COPY, '2', `bl:{0}:task:${first}`, 'bl:{0}:open', ...ids);
  }

  const startedAt = performance.now();
  await far.startRelay();
  const holders = new Set<string>();
  const unswept = async () => Number(await redis.cli('ZCOUNT', 'bl:{0}:open', '-inf', '1'));
  do {
    holders.add(await redis.cli('GET', 'bl:{0}:lease'));
    assert.ok(performance.now() - startedAt < 60_000, `${await unswept()} tasks were not looked at`);
    await delay(50);
  } while ((await unswept()) > 0);
  const sweptMs = Math.round(performance.now() - startedAt);
  t.diagnostic(`the sweep took ${sweptMs} ms`);
  assert.ok(sweptMs > LEASE_MS, 'the sweep is long enough to tell');
  holders.delete('');
  assert.equal(holders.size, 1);
  assert.ok(Number(await redis.cli('PTTL', 'bl:{0}:lease')) > 0, 'the lease is held when the sweep ends');

  // The next check of each is far away: only another sweep of everything would set it anew.
  const checks = () => redis.cli('ZRANGE', 'bl:{0}:open', '0', '-1', 'WITHSCORES');
  const after = await checks();
  assert.equal(after.split('\n').length, 2 * TASKS);
  await delay(LEASE_MS);
  assert.ok((await checks()) === after, 'nothing was looked at again');
  assert.equal(await redis.cli('GET', 'bl:{0}:lease'), [...holders][0]);
  assert.equal(await redis.cli('ZCARD', 'bl:{chat.request}:delayed'), String(TASKS));
});
