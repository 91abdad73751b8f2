/** SIGTERM of a runner, as every deploy sends it: nothing is lost, and no failure is spent. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { PROMPT, TEST_ENV } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { numberedWords, slowWords, type UpstreamCall } from '../testing/upstream.ts';
import {
  checkCalls,
  checkClean,
  endlessWords,
  type Faults,
  followUntil,
  followWhole,
  programOf,
  startFaults,
  words,
} from './checks.ts';

/** Answers with half of its words, and with the others when it may. */
function halfThen(count: number, mayGoOn: Promise<void>) {
  const all = numberedWords(count);
  return async (call: UpstreamCall) => {
    for (const word of all.slice(0, count / 2)) call.text(word);
    await mayGoOn;
    if (call.response.destroyed) return;
    for (const word of all.slice(count / 2)) call.text(word);
    call.finish();
  };
}

test('a runner told to stop under load hands its tasks back: none is lost, none counts a failure', async (t) => {
  const system = await startFaults({ runners: 2 });
  t.after(system.stop);
  const { url, runners } = system;
  // Each takes longer than the drain time, however long it took to submit them all.
  const drained = Promise.withResolvers<void>();
  const tasks = await Promise.all(
    Array.from({ length: 20 }, () => system.start([halfThen(60, drained.promise), slowWords(60, 5)])),
  );
  const early = await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  const leaving = runners.reduce((a, b) => {
    const load = (runner: typeof a) => early.filter((seen) => programOf(runners, seen) === runner).length;
    return load(a) >= load(b) ? a : b;
  });
  const given = tasks.filter((_, index) => programOf(runners, early[index] ?? []) === leaving);
  const toldAt = performance.now();
  await leaving.signal('SIGTERM');
  t.diagnostic(`it held ${given.length} tasks and left ${Math.round(performance.now() - toldAt)} ms after SIGTERM`);
  assert.equal(leaving.child.exitCode, 0);
  drained.resolve();

  for (const task of tasks) {
    const seen = await followWhole(url, task.id);
    assert.equal(visibleText(seen), words(60));
    const back = seen.filter(({ type }) => type === 'retrying').map(({ data }) => data);
    const was = given.includes(task) ? [{ reason: 'shutting_down', delay_ms: 0, discard: true }] : [];
    assert.deepEqual(back, was);
    const json = await checkCalls(url, task);
    assert.deepEqual([json.status, json.failures, json.attempt], ['completed', 0, was.length + 1]);
  }
  await checkClean(system);

  await t.test('and tasks that end within the drain time are not handed back', async () => {
    // It leaves as soon as they have ended.
    const last = await system.startRunner({ DRAIN_MS: '60000' });
    const stopping = Promise.withResolvers<void>();
    await runners.find((runner) => runner !== leaving)?.signal('SIGTERM');
    const short = await Promise.all(Array.from({ length: 5 }, () => system.start([halfThen(20, stopping.promise)])));
    await Promise.all(short.map(({ id }) => followUntil(url, id, 'text')));
    const left = last.signal('SIGTERM');
    await until('it knows', () => last.log().includes('"stopping"'));
    stopping.resolve();
    await left;
    assert.equal(last.child.exitCode, 0);
    for (const task of short) {
      assert.equal(visibleText(await followWhole(url, task.id)), words(20));
      const json = await checkCalls(url, task);
      assert.deepEqual([json.status, json.failures, json.attempt], ['completed', 0, 1]);
    }
    await checkClean(system);
  });
});

describe('a runner told to stop leaves within its drain time and two seconds', { concurrency: 2 }, () => {
  for (const [how, leave] of [
    ['dead', ({ redis }: Faults) => redis.kill()],
    ['frozen', ({ redis }: Faults) => redis.pause()],
  ] as const) {
    test(`while Redis is ${how}`, async (t) => {
      const system = await startFaults({ runners: 1, env: PROMPT });
      t.after(async () => {
        system.redis.resume();
        await system.stop();
      });
      const { url, runners } = system;
      const task = await system.start([endlessWords(50)]);
      await followUntil(url, task.id, 'text');
      await leave(system);
      const machine = watchMachine(t, url);
      const toldAt = performance.now();
      await Promise.all(runners.map((runner) => runner.signal('SIGTERM')));
      const tookMs = Math.round(performance.now() - toldAt);
      const machineMs = machine.stop();
      const what = `it left ${tookMs} ms after SIGTERM, machine ${machineMs} ms`;
      t.diagnostic(what);
      assert.ok(tookMs <= Number(TEST_ENV.DRAIN_MS) + 2_000 + machineMs, what);
    });
  }
});
