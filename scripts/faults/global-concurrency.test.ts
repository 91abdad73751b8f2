/** GLOBAL_CONCURRENCY: a limit over all runners, kept in Redis until a runner is told another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import type { slowWords } from '../testing/upstream.ts';
import { checkClean, followUntil, followWhole, startFaults } from './checks.ts';

test('a runner without GLOBAL_CONCURRENCY leaves the limit another one has set; 0 lifts it', async (t) => {
  const system = await startFaults({ runners: 0, env: { QUEUES: 'chat.request:5' } });
  t.after(system.stop);
  const { url, redis } = system;
  const limit = () => redis.cli('HGET', 'bl:{chat.request}:meta', 'concurrency');
  await system.startRunner({ GLOBAL_CONCURRENCY: 'chat.request:2' });
  assert.equal(await limit(), '2');
  await system.startRunner();
  assert.equal(await limit(), '2');

  const release = Promise.withResolvers<void>();
  const held = async (call: Parameters<ReturnType<typeof slowWords>>[0]) => {
    call.text('here ');
    await release.promise;
    call.finish();
  };
  const tasks = await Promise.all(Array.from({ length: 6 }, () => system.start([held])));
  const called = () => tasks.filter(({ calls }) => calls.length > 0).length;
  await until('two of them run', () => called() >= 2);
  const active = async () => Number(await redis.cli('LLEN', 'bl:{chat.request}:active'));
  assert.deepEqual([await active(), called()], [2, 2]);

  await system.startRunner({ GLOBAL_CONCURRENCY: 'chat.request:0' });
  assert.equal(await limit(), '');
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  assert.equal(called(), 6);
  release.resolve();
  for (const { id } of tasks) await followWhole(url, id);
  await checkClean(system);
});
