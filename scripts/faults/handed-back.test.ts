/** Tasks a runner must hand back: of a newer version than it knows, or not yet due. It asks for them seldom. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chat, getTask, submit } from '../testing/client.ts';
import { type System, startSystem } from '../testing/system.ts';
import { checkClean, followWhole, until } from './checks.ts';

const CLOCK_AHEAD = fileURLToPath(new URL('../testing/clock-ahead.ts', import.meta.url));
const WATCHED_MS = 3_000;

/** How often runners have taken a job so far; BullMQ counts that. */
const takes = async ({ redis }: System, type: string, id: string) =>
  Number(await redis.cli('HGET', `bl:{${type}}:${id}`, 'ats'));

/** How often runners took a job while it was watched; the first time may be over before. */
async function takesWhileWatched(system: System, type: string, id: string): Promise<number> {
  await until('the runner has met it', async () => (await takes(system, type, id)) > 0);
  const before = await takes(system, type, id);
  await delay(WATCHED_MS);
  return (await takes(system, type, id)) - before;
}

/** Once a second, and one for where the watch happened to begin. */
const MOST_TAKES = WATCHED_MS / 1_000 + 1;

describe('a task handed back', { concurrency: 2 }, () => {
  test('for its newer job type waits for a runner that knows it; an old one asks at most once a second', async (t) => {
    const system = await startSystem({ runners: 0, env: { QUEUES: 'test.versioned:1', TEST_VERSION: '2' } });
    t.after(system.stop);
    const id = await submit(system.url, { type: 'test.versioned', input: {} }, '/tasks');
    const old = await system.startRunner({ TEST_VERSION: '1' });
    const taken = await takesWhileWatched(system, 'test.versioned', id);
    t.diagnostic(`taken ${taken} times in ${WATCHED_MS} ms`);
    assert.ok(taken <= MOST_TAKES, `taken ${taken} times`);
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
    const taken = await takesWhileWatched(system, 'chat.request', id);
    t.diagnostic(`taken ${taken} times in ${WATCHED_MS} ms`);
    assert.ok(taken <= MOST_TAKES, `taken ${taken} times`);
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
      const taken = await takesWhileWatched(system, 'chat.request', id);
      t.diagnostic(`taken ${taken} times in ${WATCHED_MS} ms`);
      assert.ok(taken <= MOST_TAKES, `taken ${taken} times`);
      const early = (await getTask(system.url, id)).json;
      assert.deepEqual([early.attempt, early.started_at ?? null], [0, null]);
      await followWhole(system.url, id);
      const { json } = await getTask(system.url, id);
      assert.deepEqual([json.status, json.attempt], ['completed', 1]);
      const waitedMs = Date.parse(json.started_at) - Date.parse(json.created_at);
      t.diagnostic(`it started ${waitedMs - delayMs} ms after it was due`);
      assert.ok(waitedMs >= delayMs, `started after ${waitedMs} ms`);
      assert.ok(waitedMs < delayMs + 5_000, `started after ${waitedMs} ms`);
      await checkClean(system);
    });
  }
});
