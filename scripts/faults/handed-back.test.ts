/** Tasks a runner must hand back: of a newer version than it knows, or not yet due. It asks for them seldom. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chat, getTask, submit } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { type System, startSystem } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { checkClean, followWhole } from './checks.ts';

const CLOCK_AHEAD = fileURLToPath(new URL('../testing/clock-ahead.ts', import.meta.url));
const WATCHED_MS = 3_000;

const TAKES = `
local time = redis.call('TIME')
return { redis.call('HGET', KEYS[1], 'ats') or '0', time[1] * 1000 + math.floor(time[2] / 1000) }`;

/** How often runners have taken a job so far, which BullMQ counts, and the time (ms) that is true of. */
async function takes({ redis }: System, type: string, id: string) {
  const [count = 0, at = 0] = (await redis.cli('EVAL', TAKES, '1', `bl:{${type}}:${id}`)).split('\n').map(Number);
  return { count, at };
}

/** A job that runners hand back again and again is watched for a while: they take it once a second at most. */
async function checkTakes(t: TestContext, system: System, type: string, id: string, dueAt = Number.POSITIVE_INFINITY) {
  await until('the runner has met it', async () => (await takes(system, type, id)).count > 0);
  const before = await takes(system, type, id);
  await delay(WATCHED_MS);
  const after = await takes(system, type, id);
  const [taken, watchedMs] = [after.count - before.count, after.at - before.at];
  // One more for where the watch happened to begin; and the one that runs it, when it was due at last.
  const most = Math.floor(watchedMs / 1_000) + 1 + (after.at >= dueAt ? 1 : 0);
  t.diagnostic(`taken ${taken} times in ${watchedMs} ms`);
  assert.ok(taken <= most, `taken ${taken} times in ${watchedMs} ms`);
}

describe('a task handed back', { concurrency: 2 }, () => {
  test('for its newer job type waits for a runner that knows it; an old one asks at most once a second', async (t) => {
    const system = await startSystem({ runners: 0, env: { QUEUES: 'test.versioned:1', TEST_VERSION: '2' } });
    t.after(system.stop);
    const id = await submit(system.url, { type: 'test.versioned', input: {} }, '/tasks');
    const old = await system.startRunner({ TEST_VERSION: '1' });
    await checkTakes(t, system, 'test.versioned', id);
    assert.equal((await getTask(system.url, id)).json.status, 'queued');
    await system.startRunner();
    await old.signal('SIGTERM');
    await followWhole(system.url, id);
    const { json } = await getTask(system.url, id);
    assert.deepEqual([json.status, json.output, json.attempt], ['completed', { version: 2 }, 1]);
    await checkClean(system);
  });

  test('for the newer layout of its record is asked for at most once a second, and left as it is', async (t) => {
    const system = await startSystem({ runners: 0, env: { QUEUES: 'chat.request:5' } });
    t.after(system.stop);
    const id = await submit(system.url);
    const key = `bl:{0}:task:${id}`;
    const version = await system.redis.cli('HGET', key, 'v');
    await system.redis.cli('HSET', key, 'v', String(Number(version) + 1));
    await system.startRunner();
    await checkTakes(t, system, 'chat.request', id);
    assert.deepEqual((await system.redis.cli('HMGET', key, 'status', 'attempt', 'failures')).split('\n'), [
      'queued',
      '0',
      '0',
    ]);
    // The layout is known again: as it is to a runner of the next release.
    await system.redis.cli('HSET', key, 'v', version);
    await followWhole(system.url, id);
    await checkClean(system);
  });

  for (const [what, ahead] of [
    ['30 s', 30_000],
    ['an hour', 3_600_000],
  ] as const) {
    test(`by a runner whose clock is ${what} ahead runs in its time, and is asked for at most once a second until then`, async (t) => {
      const system = await startSystem({ runners: 0, env: { QUEUES: 'chat.request:5' } });
      t.after(system.stop);
      await system.startRunner({ NODE_OPTIONS: `--import ${CLOCK_AHEAD}`, CLOCK_AHEAD_MS: String(ahead) });
      const delayMs = WATCHED_MS + 1_500;
      const id = await submit(system.url, chat('Is it time?', { delay_ms: delayMs }));
      const machine = watchMachine(t, system.url);
      const createdAt = Date.parse((await getTask(system.url, id)).json.created_at);
      await checkTakes(t, system, 'chat.request', id, createdAt + delayMs);
      await followWhole(system.url, id);
      const machineMs = machine.stop();
      const { json } = await getTask(system.url, id);
      assert.deepEqual([json.status, json.attempt], ['completed', 1]);
      const waitedMs = Date.parse(json.started_at) - createdAt;
      t.diagnostic(`it started ${waitedMs - delayMs} ms after it was due`);
      assert.ok(waitedMs >= delayMs, `started after ${waitedMs} ms`);
      assert.ok(waitedMs < delayMs + 5_000 + machineMs, `started after ${waitedMs} ms`);
      await checkClean(system);
    });
  }
});
