/** APIs hold nothing: any of them serves any task, and one that dies takes nothing with it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, getTask, post, visibleText } from '../testing/client.ts';
import { numberedWords, slowWords } from '../testing/upstream.ts';
import {
  checkCalls,
  checkClean,
  endlessWords,
  type Faults,
  follow,
  followUntil,
  followWhole,
  startFaults,
  words,
} from './checks.ts';

let system: Faults;
before(async () => {
  system = await startFaults({ apis: 2 });
});
after(() => system.stop());

const other = () => system.apis[1]?.url ?? '';

/** Submits as a client with an Idempotency-Key does, which asks again after a 503. Gives every answer, the 202 last. */
async function submitWith(key: string, url: string, prompt: string) {
  const answers: Awaited<ReturnType<typeof post>>[] = [];
  do answers.push(await post(url, '/api/chat', chat(prompt), { 'Idempotency-Key': key }));
  while (answers.at(-1)?.status === 503);
  assert.equal(answers.at(-1)?.status, 202, answers.at(-1)?.text);
  return answers;
}

test('a task submitted to one API is read, followed and cancelled at another', async () => {
  const task = await system.start([endlessWords(20)]);
  await followUntil(other(), task.id, 'text');
  assert.equal((await getTask(other(), task.id)).json.status, 'in_progress');
  const cancelled = await post(other(), `/tasks/${task.id}/cancel`, {});
  assert.equal(cancelled.status, 202);
  const [here, there] = await Promise.all([followWhole(system.url, task.id), followWhole(other(), task.id)]);
  assert.deepEqual(here, there);
  assert.equal(here.at(-1)?.data.status, 'cancelled');
  await checkCalls(system.url, task);
  await checkClean(system);
});

test('the same Idempotency-Key sent to two APIs at once makes one task', async () => {
  const model = system.model(slowWords(5, 0));
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => submitWith('two-apis', index % 2 ? other() : system.url, model.prompt)),
  ).then((all) => all.flat());
  const accepted = answers.filter(({ status }) => status === 202);
  assert.equal(new Set(accepted.map(({ json }) => json.task_id)).size, 1);
  const made = accepted.filter(({ headers }) => headers.get('idempotency-replayed') === null).length;
  // One that was answered 503 because Redis was silent may have made it all the same.
  assert.ok(made === 1 || (made === 0 && answers.length > accepted.length), `${made} of them made it`);
  await followWhole(other(), accepted[0]?.json.task_id);
  assert.equal(model.calls.length, 1);
  await checkClean(system);
});

test('readers of an API that is killed go on at another one, by the last id they saw, without gap or repeat', async (t) => {
  const afterKill = Promise.withResolvers<void>();
  const task = await system.start([
    async (call) => {
      for (const [index, word] of numberedWords(60).entries()) {
        if (index === 20) await afterKill.promise;
        call.text(word);
        await delay(25);
      }
      call.finish();
    },
  ]);
  let killed = false;
  let killedAt = 0;
  let bridgedMs = 0;
  const readers = Array.from({ length: 5 }, () =>
    follow(() => (killed ? other() : system.url), task.id, {
      see() {
        if (killedAt > 0 && bridgedMs === 0) bridgedMs = performance.now() - killedAt;
      },
    }),
  );
  await followUntil(other(), task.id, 'text');
  killed = true;
  await system.apis[0]?.signal('SIGKILL');
  killedAt = performance.now();
  afterKill.resolve();
  const all = await Promise.all(readers);
  t.diagnostic(`the first event came ${Math.round(bridgedMs)} ms after the kill`);
  const log = await followWhole(other(), task.id);
  for (const seen of all) assert.deepEqual(seen, log);
  assert.equal(visibleText(log), words(60));
  assert.equal(log.filter(({ type }) => type === 'retrying').length, 0, 'the attempt was not disturbed');
  assert.equal((await checkCalls(other(), task)).attempt, 1);
  // The dead API's subscriptions went with its connections.
  await checkClean(system);
});

test('tasks whose API is killed right after its 202 complete', async () => {
  const third = await system.startApi();
  const model = system.model(slowWords(5, 0));
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => submitWith(`third-${index}`, third.url, model.prompt)),
  );
  await third.signal('SIGKILL');
  for (const id of answers.map((all) => all.at(-1)?.json.task_id)) {
    assert.equal(visibleText(await followWhole(other(), id)), numberedWords(5).join(''));
    assert.equal((await getTask(other(), id)).json.attempt, 1);
  }
  assert.equal(model.calls.length, 20);
  await checkClean(system);
});
