/** Redis is there and refuses writes for a while, as a primary does that was demoted by mistake. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post, visibleText } from '../testing/client.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, follow, followUntil, followWhole, startFaults, words } from './checks.ts';

const REFUSES_MS = 1_500;

let system: Faults;
before(async () => {
  // No lock is due for renewal while Redis refuses.
  system = await startFaults({ env: { LOCK_DURATION_MS: '30000', QUEUES: 'chat.request:10' } });
});
after(() => system.stop());

/** Redis answers READONLY to every write until the given work is done and a while has passed. */
async function refusing(work: () => unknown) {
  const { redis } = system;
  await redis.cli('REPLICAOF', '127.0.0.1', '1');
  try {
    await work();
    await delay(REFUSES_MS);
  } finally {
    await redis.cli('REPLICAOF', 'NO', 'ONE');
  }
}

test('tasks that end while Redis is READONLY keep their answer: one upstream call, no failure', async () => {
  const { url } = system;
  const tasks = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const release = Promise.withResolvers<void>();
      const task = await system.start([
        async (call) => {
          call.text('the answer ');
          await release.promise;
          call.text('is kept');
          call.finish();
        },
      ]);
      return { ...task, release };
    }),
  );
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  const readers = tasks.map(({ id }) => followWhole(url, id));
  for (const reader of readers) reader.catch(() => undefined);
  await refusing(async () => {
    for (const { release } of tasks) release.resolve();
    for (const task of tasks) await (await task.call(1)).closed;
  });
  for (const [index, task] of tasks.entries()) {
    const seen = (await readers[index]) ?? [];
    assert.equal(visibleText(seen), 'the answer is kept');
    assert.deepEqual(
      seen.filter(({ type }) => type === 'retrying'),
      [],
    );
    const json = await checkCalls(url, task);
    assert.deepEqual([json.status, json.attempt, json.failures, task.calls.length], ['completed', 1, 0, 1]);
  }
  await checkClean(system);
});

test('a task that streams while Redis is READONLY is whole, in one attempt', async () => {
  const { url } = system;
  const task = await system.start([slowWords(60, 50)]);
  await followUntil(url, task.id, 'text');
  const reader = follow(url, task.id);
  reader.catch(() => undefined);
  await refusing(() => undefined);
  assert.equal(visibleText(await reader), words(60));
  const json = await checkCalls(url, task);
  assert.deepEqual([json.status, json.attempt, json.failures, task.calls.length], ['completed', 1, 0, 1]);
  await checkClean(system);
});

test('a submit to a READONLY Redis is refused and never runs', async () => {
  const { url } = system;
  const model = system.model(slowWords(5, 0));
  await refusing(async () => {
    const { status, json } = await post(url, '/api/chat', chat(model.prompt));
    assert.deepEqual([status, json.code], [503, 'unavailable']);
  });
  const control = await system.start([slowWords(1, 0)], { delay_ms: 1_500 });
  await followWhole(url, control.id);
  assert.equal(model.calls.length, 0);
  await checkClean(system);
});
