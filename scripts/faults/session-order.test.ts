/** A turn stands where its answer came, however long ago it was submitted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { turnOfMessage } from '@beanline/shared/session.ts';
import { timeOf } from '@beanline/shared/task-id.ts';
import { followToEnd, getTask, post } from '../testing/client.ts';
import { keptLines, lines, reply, type Sessions, startSessions } from '../testing/session-chats.ts';
import type { UpstreamCall } from '../testing/upstream.ts';
import { checkClean } from './checks.ts';

let system: Sessions;
before(async () => {
  system = await startSessions();
});
after(() => system.stop());

const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];
const several = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name} ${n}`);

/** A turn that is asked now and answered when it is told to. */
async function slowTurn(session: string, text: string) {
  const called = Promise.withResolvers<UpstreamCall>();
  system.answers.set(text, called.resolve);
  const id = await system.say(session, text);
  const call = await called.promise;
  return async () => {
    await reply(call);
    await followToEnd(system.url, id);
  };
}

for (const relay of ['at work', 'stopped'] as const) {
  test(`a message sent after a slow turn's done sees it, also when many were answered meanwhile (relay ${relay})`, async () => {
    const [process] = system.relays;
    const session = await system.newSession();
    const name = `meanwhile ${relay}`;
    if (relay === 'stopped') await process?.signal('SIGSTOP');
    try {
      const end = await slowTurn(session, `My cow is called Daisy (${relay})`);
      const others = several(name, 12);
      for (const text of others) await system.ask(session, text);
      await end();
      if (relay === 'at work') await system.kept(session, 26);
      await system.ask(session, `How is my cow called? (${relay})`);
      const before = [...others, `My cow is called Daisy (${relay})`].flatMap(turn);
      const shown = lines(system.shown(`How is my cow called? (${relay})`));
      assert.deepEqual(shown, [...before.slice(-10), `user: How is my cow called? (${relay})`]);
      if (relay === 'stopped') await process?.signal('SIGCONT');
      assert.deepEqual(keptLines(await system.kept(session, 28)).slice(0, 26), before);
    } finally {
      await process?.signal('SIGCONT');
    }
    await checkClean(system);
  });
}

test('a turn that was delayed stands behind those that were answered before it, and is not under a summary of them', async () => {
  const session = await system.newSession();
  const summarised = Promise.withResolvers<void>();
  system.answers.set('delayed', async (call) => {
    await summarised.promise;
    await reply(call);
  });
  const late = await system.say(session, 'delayed', { delay_ms: 1_000 });
  for (const text of several('prompt', 3)) await system.ask(session, text);
  const [, last] = (await system.kept(session, 6)).slice(-2);
  assert.ok(last);
  const summary = { text: 'Prompt ones.', upTo: last.id, messages: 6, createdAt: last.createdAt };
  const { store } = system;
  await store.sessions.setSummary('local', session, summary);
  summarised.resolve();
  await followToEnd(system.url, late);
  const messages = await system.kept(session, 8);
  assert.deepEqual(keptLines(messages).slice(-2), turn('delayed'));
  assert.ok(messages.slice(-2).every(({ id }) => id > summary.upTo));
});

test("a turn's messages say its task's end in their ids, and the submit in the question's time", async () => {
  const session = await system.newSession();
  const task = await system.ask(session, 'timed', { delay_ms: 500 });
  const messages = await system.kept(session, 2);
  for (const { id } of messages) assert.equal(timeOf(id), Date.parse(task.ended_at));
  assert.deepEqual(
    messages.map(({ createdAt }) => createdAt),
    [task.created_at, task.ended_at].map(Date.parse),
  );
});

test('two retries of a failed turn, others between: the question stays in its place once, the answers come at their ends', async () => {
  const session = await system.newSession();
  system.answers.set('asked early', (call) => {
    if (system.callsOf('asked early').length > 1) reply(call);
    else call.refuse(400);
  });
  const first = await system.ask(session, 'asked early', { delay_ms: 100 });
  const others = several('between', 2);
  const answers: string[] = [];
  for (const text of others) {
    await system.ask(session, text);
    const { json } = await post(system.url, `/tasks/${first.task_id}/retry`, {}, { Prefer: 'wait=30' });
    assert.equal(json.status, 'completed', JSON.stringify(json));
    answers.push(json.task_id);
  }
  const messages = await system.kept(session, 7);
  assert.deepEqual(keptLines(messages), [
    'user: asked early',
    ...others.flatMap((text) => [...turn(text), 'assistant: re: asked early']),
  ]);
  const turns = new Set(messages.map(({ id }) => turnOfMessage(id)));
  assert.equal(turns.size, 5);
  const ended = await Promise.all(answers.map(async (id) => (await getTask(system.url, id)).json.ended_at));
  assert.deepEqual(
    [messages[3], messages[6]].map((message) => timeOf(message?.id ?? '')),
    ended.map(Date.parse),
  );
});
