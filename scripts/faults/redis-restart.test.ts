/** Redis dies and comes back with what its AOF has: streams go on, texts are whole, nothing is lost. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post, visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, followUntil, followWhole, startFaults, words } from './checks.ts';

const LOCK_MS = Number(SHORT_LOCK.LOCK_DURATION_MS);
const TASKS = 5;

/** Tasks stream, Redis dies for a while, and every one of them ends with its whole text. */
async function outage(t: TestContext, system: Faults, downMs: number, wordCount: number) {
  const { url, redis } = system;
  const tasks = await Promise.all(Array.from({ length: TASKS }, () => system.start([slowWords(wordCount, 50)])));
  const later = await system.start([slowWords(5, 0)], { delay_ms: 500 });
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  const readers = [...tasks, later].map(({ id }) => followWhole(url, id));
  // A failure is judged when all are known; until then it must not count as unhandled.
  for (const reader of readers) reader.catch(() => undefined);
  await redis.kill();
  const killedAt = performance.now();
  await until('the API knows', async () => (await fetch(`${url}/readyz`)).status === 503);
  const machine = watchMachine(t, url);
  const askedAt = performance.now();
  const refused = await post(url, '/api/chat', chat('while Redis is down'));
  const refusedMs = Math.round(performance.now() - askedAt);
  const machineMs = machine.stop();
  assert.deepEqual([refused.status, refused.json.code], [503, 'unavailable']);
  assert.ok(refused.headers.get('retry-after'));
  assert.ok(refusedMs <= 300 + machineMs, `refused after ${refusedMs} ms, of which ${machineMs} ms are the machine's`);
  await delay(Math.max(0, downMs - (performance.now() - killedAt)));
  await redis.restart();
  const backAt = performance.now();
  await until('the API accepts again', async () => (await fetch(`${url}/readyz`)).ok);
  const readyMs = Math.round(performance.now() - backAt);

  let attempts = 0;
  for (const [index, task] of [...tasks, later].entries()) {
    const seen = (await readers[index]) ?? [];
    assert.equal(visibleText(seen), words(task === later ? 5 : wordCount));
    const json = await checkCalls(url, task);
    assert.equal(json.status, 'completed');
    attempts = Math.max(attempts, json.attempt);
  }
  await checkClean(system);
  return `refused in ${refusedMs} ms; accepting ${readyMs} ms after Redis was back; at most ${attempts} attempts`;
}

test('tasks that stream while Redis restarts are whole, and nothing is lost', async (t) => {
  const system = await startFaults({ runners: 2, env: SHORT_LOCK });
  t.after(system.stop);
  await t.test('after 0.2 s', async (t) => t.diagnostic(await outage(t, system, 200, 60)));
  await t.test('after 5 s, longer than the lock', async (t) => t.diagnostic(await outage(t, system, 5_000, 60)));
});

test('a runner that gets its own lost tasks again, because Redis was away longer than its lock, ends them all', async (t) => {
  const system = await startFaults({ runners: 1, env: SHORT_LOCK });
  t.after(system.stop);
  await t.test('after a restart', async (t) => t.diagnostic(await outage(t, system, 1.5 * LOCK_MS, 120)));
  await t.test('and after another', async (t) => t.diagnostic(await outage(t, system, 2.5 * LOCK_MS, 60)));
});
