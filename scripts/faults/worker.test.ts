/** Runners that die or freeze while they work: another one takes over, and readers see one whole answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { slowWords } from '../testing/upstream.ts';
import {
  checkCalls,
  checkClean,
  endlessWords,
  type follow,
  followUntil,
  followWhole,
  programOf,
  startFaults,
  words,
  wordsThenSilence,
} from './checks.ts';

const LOCK_MS = Number(SHORT_LOCK.LOCK_DURATION_MS);
/** Lock plus two checks for stalled jobs, each a quarter of the lock; and a second for the begin of the next attempt. */
const RECOVERY_MS = 1.5 * LOCK_MS + 1_000;

const discards = (seen: Awaited<ReturnType<typeof follow>>) =>
  seen.filter(({ type }) => type === 'retrying').map(({ attempt, data }) => ({ attempt, ...data }));

test('an answer whose runner is killed is given whole by another runner, and the broken piece is discarded', async (t) => {
  const system = await startFaults({ runners: 2, env: SHORT_LOCK });
  t.after(system.stop);
  const { url, runners } = system;

  const task = await system.start([wordsThenSilence(5), slowWords(20, 5)]);
  const early = await followUntil(url, task.id, 'text');
  const whole = followWhole(url, task.id);
  await programOf(runners, early).signal('SIGKILL');
  const machine = watchMachine(t, url);
  const killedAt = performance.now();
  await task.call(2);
  const recoveryMs = Math.round(performance.now() - killedAt);
  const machineMs = machine.stop();
  t.diagnostic(`recovered ${recoveryMs} ms after the kill, with a lock of ${LOCK_MS} ms; machine ${machineMs} ms`);
  assert.ok(recoveryMs <= RECOVERY_MS + machineMs, `recovered in ${recoveryMs} ms, machine ${machineMs} ms`);

  const seen = await whole;
  assert.equal(visibleText(seen), words(20));
  assert.deepEqual(discards(seen), [{ attempt: 1, reason: 'worker_lost', delay_ms: 0, discard: true }]);
  const json = await checkCalls(url, task);
  assert.deepEqual([json.status, json.attempt, json.failures], ['completed', 2, 1]);
  assert.equal(json.output.content, words(20));
  await checkClean(system);

  await t.test('also when it was the only one and comes back', async () => {
    const again = await system.start([wordsThenSilence(5), slowWords(20, 5)]);
    await followUntil(url, again.id, 'text');
    await Promise.all(runners.map((runner) => runner.signal('SIGKILL')));
    await system.startRunner();
    const end = await followWhole(url, again.id);
    assert.equal(visibleText(end), words(20));
    assert.equal(discards(end).length, 1);
    assert.equal((await checkCalls(url, again)).attempt, 2);
    await checkClean(system);
  });
});

test('a runner frozen beyond its lock writes nothing more when it wakes, neither text nor an end', async (t) => {
  const system = await startFaults({ runners: 2, env: SHORT_LOCK });
  t.after(system.stop);
  const { url, runners } = system;
  const release = Promise.withResolvers<void>();
  const second = async (call: Parameters<ReturnType<typeof slowWords>>[0]) => {
    call.text('second ');
    await release.promise;
    call.text('answer');
    call.finish();
  };

  // One goes on talking while its runner is frozen; the other comes to its end meanwhile.
  const talking = await system.start([endlessWords(20), second]);
  const zombie = programOf(runners, await followUntil(url, talking.id, 'text'));
  const ends = await startOn(zombie);

  async function startOn(runner: typeof zombie) {
    for (;;) {
      const task = await system.start([wordsThenSilence(3), second]);
      const seen = await followUntil(url, task.id, 'text');
      if (programOf(runners, seen) === runner) return task;
      (await task.call(1)).finish();
      await followWhole(url, task.id);
    }
  }

  const both = [followWhole(url, talking.id), followWhole(url, ends.id)];
  await zombie.signal('SIGSTOP');
  (await ends.call(1)).finish();
  await Promise.all([talking.call(2), ends.call(2)]);
  await zombie.signal('SIGCONT');
  const wokenAt = performance.now();
  await (await talking.call(1)).closed;
  t.diagnostic(`the zombie let its upstream go ${Math.round(performance.now() - wokenAt)} ms after it woke`);
  // It has come back to life, and to the ends of both its attempts, when it starts and ends another task.
  const after = await startOn(zombie);
  (await after.call(1)).finish();
  await followWhole(url, after.id);
  release.resolve();

  for (const [index, task] of [talking, ends].entries()) {
    const seen = (await both[index]) ?? [];
    assert.equal(visibleText(seen), 'second answer');
    assert.equal(discards(seen).length, 1);
    const json = await checkCalls(url, task);
    assert.deepEqual([json.status, json.attempt, json.failures], ['completed', 2, 1]);
  }
  await checkClean(system);
});

/** What another runner's check for stalled jobs does when it finds a lock gone: the job waits again. */
const STALLED = `
local queue = KEYS[1]
redis.call('DEL', queue .. ':' .. ARGV[1] .. ':lock')
redis.call('LREM', queue .. ':active', 1, ARGV[1])
redis.call('RPUSH', queue .. ':wait', ARGV[1])
return redis.call('ZADD', queue .. ':marker', 0, '0')`;

test('a runner that is given a job it still runs stops the old run, and keeps the lock of the new one', async (t) => {
  const system = await startFaults({ runners: 1, env: SHORT_LOCK });
  t.after(system.stop);
  const { url, redis } = system;
  // The new run takes longer than a lock: without its renewal the job would be lost once more.
  const task = await system.start([endlessWords(20), slowWords(70, LOCK_MS / 40)]);
  await followUntil(url, task.id, 'text');
  const whole = followWhole(url, task.id);
  await redis.cli('eval', STALLED, '1', 'bl:{chat.request}', task.id);
  await (await task.call(1)).closed;
  assert.equal(visibleText(await whole), words(70));
  const json = await checkCalls(url, task);
  assert.deepEqual([json.status, json.attempt, task.calls.length], ['completed', 2, 2]);
  await checkClean(system);
});
