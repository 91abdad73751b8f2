/** APIs hold nothing: any of them serves any task, and one that dies takes nothing with it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { numberedWords, slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, follow, followUntil, followWhole, startFaults, words } from './checks.ts';

let system: Faults;
before(async () => {
  system = await startFaults({ apis: 2 });
});
after(() => system.stop());

const other = () => system.apis[1]?.url ?? '';

test('a task submitted to one API is read, followed and cancelled at another', async () => {
  const task = await system.start([slowWords(400, 20)]);
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
    Array.from({ length: 20 }, (_, index) =>
      post(index % 2 ? other() : system.url, '/api/chat', chat(model.prompt), { 'Idempotency-Key': 'two-apis' }),
    ),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  assert.equal(new Set(answers.map(({ json }) => json.task_id)).size, 1);
  assert.equal(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null).length, 1);
  await followWhole(other(), answers[0]?.json.task_id);
  assert.equal(model.calls.length, 1);
  await checkClean(system);
});

test('readers of an API that is killed go on at another one, by the last id they saw, without gap or repeat', async (t) => {
  const task = await system.start([slowWords(60, 25)]);
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
  const ids = await Promise.all(Array.from({ length: 20 }, () => submit(third.url, chat(model.prompt))));
  await third.signal('SIGKILL');
  for (const id of ids) {
    assert.equal(visibleText(await followWhole(other(), id)), numberedWords(5).join(''));
    assert.equal((await getTask(other(), id)).json.attempt, 1);
  }
  assert.equal(model.calls.length, 20);
  await checkClean(system);
});
