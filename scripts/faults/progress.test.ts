/** A runner that hangs gives itself up and hands back; one that has a reason to take nothing stays. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post, submit, visibleText } from '../testing/client.ts';
import { flakyNetwork } from '../testing/flaky-network.ts';
import { PROMPT, type Program } from '../testing/system.ts';
import { testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, endlessWords, followUntil, followWhole, startFaults, words } from './checks.ts';

const TIMEOUT_MS = 2_000;
/** Longer than the watchdog and several of its looks. */
const WATCHED_MS = 2 * TIMEOUT_MS + 500;
const EXIT_STUCK = 75;
const STUCK = 'jobs wait and slots are free, but none is taken';
const QUEUE = 'bl:{chat.request}';

/** What the watchdog wrote, once its program has gone. */
async function gaveUp(runner: Program) {
  await runner.ended;
  assert.equal(runner.child.exitCode, EXIT_STUCK, runner.log());
  const line = runner
    .log()
    .split('\n')
    .find((text) => text.includes(STUCK));
  assert.ok(line, runner.log());
  return JSON.parse(line);
}

describe('a runner that takes nothing of what waits gives itself up with a code of its own', { concurrency: 2 }, () => {
  test('because it sleeps through the end of a limit; what it runs is handed back without a failure', async (t) => {
    const env = { PROGRESS_TIMEOUT_MS: String(TIMEOUT_MS), QUEUES: 'chat.request:4' };
    const system = await startFaults({ runners: 1, env });
    t.after(system.stop);
    const { url, redis } = system;
    const [runner] = system.runners as [Program];
    const running = await system.start([endlessWords(50), slowWords(20, 0)]);
    await followUntil(url, running.id, 'text');

    // BullMQ sleeps for up to 30 s when it meets a limit, and does not look whether the limit is still there.
    await redis.cli('SET', `${QUEUE}:limiter`, '5', 'PX', '600000');
    await redis.cli('HSET', `${QUEUE}:meta`, 'max', '1', 'duration', '600000');
    const waiting = await system.start([slowWords(20, 0)]);
    await delay(WATCHED_MS);
    assert.equal(runner.child.exitCode, null, 'a limit is a reason to take nothing');
    await redis.cli('HDEL', `${QUEUE}:meta`, 'max', 'duration');
    await redis.cli('DEL', `${QUEUE}:limiter`);
    const liftedAt = performance.now();
    const facts = await gaveUp(runner);
    t.diagnostic(`it left ${Math.round(performance.now() - liftedAt)} ms after it could take jobs again`);
    assert.deepEqual([facts.queue, facts.waiting, facts.running, facts.slots], ['chat.request', 1, 1, 4]);
    assert.ok(facts.silent_ms >= TIMEOUT_MS, JSON.stringify(facts));
    assert.equal(facts.level, 50);

    await system.startRunner();
    const seen = await followWhole(url, running.id);
    assert.deepEqual(
      seen.flatMap(({ type, data }) => (type === 'retrying' ? [data.reason] : [])),
      ['shutting_down'],
    );
    assert.equal(visibleText(seen), words(20));
    assert.equal(visibleText(await followWhole(url, waiting.id)), words(20));
    for (const [task, attempts] of [
      [running, 2],
      [waiting, 1],
    ] as const) {
      const { status, attempt, failures } = await checkCalls(url, task);
      assert.deepEqual([status, attempt, failures], ['completed', attempts, 0]);
    }
    await checkClean(system);
  });

  test('because the connection it fetches over is dead, and another runner takes what waited', async (t) => {
    const redis = await testRedis();
    t.after(redis.stop);
    const network = await flakyNetwork(redis);
    t.after(network.stop);
    const env = { PROGRESS_TIMEOUT_MS: String(TIMEOUT_MS), QUEUES: 'chat.request:4' };
    const system = await startFaults({ redis: network.redis, runners: 1, env });
    t.after(system.stop);
    const [runner] = system.runners as [Program];
    assert.ok((await network.deadenNamed('beanline-runner-queue')) >= 1);
    const task = await system.start([slowWords(20, 0)]);
    const facts = await gaveUp(runner);
    assert.deepEqual([facts.queue, facts.waiting, facts.running], ['chat.request', 1, 0]);
    network.bury();
    await system.startRunner();
    assert.equal(visibleText(await followWhole(system.url, task.id)), words(20));
    const { attempt, failures } = await checkCalls(system.url, task);
    assert.deepEqual([attempt, failures], [1, 0]);
  });
});

test('a runner stays while its queues are paused, at their global limit or delayed, or its slots are taken', async (t) => {
  const { url, redis, runners, ...system } = await patientSystem(t);
  const [runner] = runners as [Program];
  await redis.cli('HSET', 'bl:{test.approval}:meta', 'paused', '1');
  const asks = await submit(url, { type: 'test.approval', input: { questions: ['now?'] } }, '/tasks');
  const limited = [];
  for (let i = 0; i < 2; i++) limited.push(await submit(url, { type: 'test.once', input: {} }, '/tasks'));
  const busy = [];
  for (let i = 0; i < 2; i++) busy.push(await system.start([endlessWords(50)]));
  const later = await submit(url, { type: 'test.versioned', input: {}, delay_ms: 600_000 }, '/tasks');
  await busy[0]?.call(1);
  await delay(WATCHED_MS);
  assert.equal(runner.child.exitCode, null, runner.log());

  await redis.cli('HDEL', 'bl:{test.approval}:meta', 'paused');
  await followUntil(url, asks, 'human_approval');
  for (const id of [asks, later, ...limited, ...busy.map(({ id }) => id)]) {
    // A Redis that is starved for a moment counts as away here.
    await until('it is cancelled', async () => (await post(url, `/tasks/${id}/cancel`, {})).status === 202);
    await followWhole(url, id);
  }
  assert.ok(!runner.log().includes(STUCK));
  await checkClean({ redis });
});

test('a runner stays when it was stopped itself, or Redis was, though jobs waited all the time', async (t) => {
  const { url, redis, runners, ...system } = await patientSystem(t);
  const [runner] = runners as [Program];

  await runner.signal('SIGSTOP');
  const first = await system.start([slowWords(5, 0)]);
  await delay(WATCHED_MS);
  await runner.signal('SIGCONT');
  assert.equal(visibleText(await followWhole(url, first.id)), words(5));

  await runner.signal('SIGSTOP');
  const second = await system.start([slowWords(5, 0)]);
  redis.pause();
  await runner.signal('SIGCONT');
  await delay(WATCHED_MS);
  redis.resume();
  assert.equal(visibleText(await followWhole(url, second.id)), words(5));

  // Both together: a machine that slept.
  const { prompt } = system.model(slowWords(5, 0));
  await until('the API accepts', async () => (await post(url, '/api/chat', chat(prompt))).status === 202);
  await runner.signal('SIGSTOP');
  const third = await system.start([slowWords(5, 0)]);
  redis.pause();
  await delay(WATCHED_MS);
  redis.resume();
  await runner.signal('SIGCONT');
  assert.equal(visibleText(await followWhole(url, third.id)), words(5));
  assert.equal(runner.child.exitCode, null, runner.log());
  assert.ok(!runner.log().includes(STUCK));
});

async function patientSystem(t: TestContext) {
  const system = await startFaults({
    runners: 1,
    env: {
      ...PROMPT,
      PROGRESS_TIMEOUT_MS: String(TIMEOUT_MS),
      QUEUES: 'chat.request:1,test.once:2,test.approval:5,test.versioned:1',
      GLOBAL_CONCURRENCY: 'test.once:1',
    },
  });
  t.after(async () => {
    system.redis.resume();
    await system.stop();
  });
  return system;
}
