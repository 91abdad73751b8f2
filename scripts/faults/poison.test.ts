/** Tasks that kill their worker, or that must not be run again when it dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { submit, visibleText } from '../testing/client.ts';
import type { Program } from '../testing/system.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, followUntil, followWhole, programOf, startFaults, words } from './checks.ts';

test('a task that kills every worker it meets fails as worker_lost after its attempts, and all other tasks complete', async (t) => {
  const system = await startFaults({ runners: 2, env: SHORT_LOCK });
  t.after(system.stop);
  const { url } = system;
  let deaths = 0;
  const starting: Promise<Program>[] = [];
  let over = false;
  // A supervisor: a dead runner is replaced.
  async function keep(runner: Program): Promise<void> {
    await runner.ended;
    if (over) return;
    deaths++;
    const replacement = system.startRunner();
    starting.push(replacement);
    await keep(await replacement);
  }
  const kept = system.runners.map(keep);

  const tasks = await Promise.all(Array.from({ length: 6 }, () => system.start([slowWords(20, 40)])));
  const poison = await submit(url, { type: 'test.poison', input: {} }, '/tasks');
  const seen = await followWhole(url, poison);
  const end = seen.at(-1)?.data;
  assert.deepEqual([end.status, end.error.code, end.output], ['failed', 'worker_lost', null]);
  assert.equal(seen.filter(({ type }) => type === 'started').length, 2, 'as many attempts as it has');
  assert.equal(deaths, 2);

  for (const task of tasks) {
    assert.equal(visibleText(await followWhole(url, task.id)), words(20));
    assert.equal((await checkCalls(url, task)).status, 'completed');
  }
  await checkClean(system);
  await Promise.all(starting);
  over = true;
  await system.stop();
  await Promise.all(kept);
});

test('a task that may not be repeated fails as worker_lost with its first worker', async (t) => {
  const system = await startFaults({ runners: 2, env: SHORT_LOCK });
  t.after(system.stop);
  const { url, runners } = system;
  const id = await submit(url, { type: 'test.once', input: {} }, '/tasks');
  const early = await followUntil(url, id, 'progress');
  const whole = followWhole(url, id);
  await programOf(runners, early).signal('SIGKILL');
  const seen = await whole;
  assert.deepEqual(
    seen.map(({ type }) => type),
    ['queued', 'started', 'progress', 'done'],
  );
  const end = seen.at(-1)?.data;
  assert.deepEqual([end.status, end.error.code], ['failed', 'worker_lost']);
  await checkClean(system);
});
