/** `POST /tasks/<id>/retry` in a session: the question stands once, and the model is asked it anew. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { post } from '../testing/client.ts';
import { keptLines, lines, reply, type Sessions, startSessions } from '../testing/session-chats.ts';
import { checkClean } from './checks.ts';

let system: Sessions;
before(async () => {
  system = await startSessions();
});
after(() => system.stop());

async function retry(id: string) {
  const { status, json, text } = await post(system.url, `/tasks/${id}/retry`, {}, { Prefer: 'wait=30' });
  assert.equal(status, 200, text);
  return json;
}

test('a retry of a retry keeps the question once with every answer, and the model sees none of them', async () => {
  const session = await system.newSession();
  await system.ask(session, 'before');
  system.answers.set('again', (call) => {
    if (system.callsOf('again').length > 1) reply(call);
    else call.refuse(401);
  });
  const first = await system.ask(session, 'again');
  const second = await retry(first.task_id);
  const third = await retry(second.task_id);
  assert.deepEqual([second.retry_of, third.retry_of], [first.task_id, second.task_id]);

  const asked = system.callsOf('again').map((call) => lines(call.body.messages));
  assert.equal(asked.length, 3);
  for (const shown of asked) assert.deepEqual(shown, ['user: before', 'assistant: re: before', 'user: again']);

  const after = await system.ask(session, 'after');
  assert.equal(after.status, 'completed');
  const kept = keptLines(await system.kept(session, 7));
  assert.deepEqual(
    kept.filter((line) => line.startsWith('user: ')),
    ['user: before', 'user: again', 'user: after'],
  );
  assert.equal(kept.filter((line) => line === 'assistant: re: again').length, 2);
  assert.equal(new Set((await system.keptMessages(session)).map(({ id }) => id)).size, 7);
  await checkClean(system);
});

test('a retry of a task that was cancelled before it began brings its question', async () => {
  const session = await system.newSession();
  const early = await system.say(session, 'later', { delay_ms: 60_000 });
  const { status, json } = await post(system.url, `/tasks/${early}/cancel`, {});
  assert.deepEqual([status, json.status], [202, 'cancelled']);
  await retry(early);
  assert.deepEqual(keptLines(await system.kept(session, 2)), ['user: later', 'assistant: re: later']);
  await checkClean(system);
});
