/** What the model is shown in a session, and what the session has afterwards. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeMessageId, messageIdOf, type Summary, turnIdOf } from '@beanline/shared/session.ts';
import { PREFERENCES_ID, preferences } from '@beanline/shared/sessions/preferences.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { followToEnd, getTask } from '../testing/client.ts';
import { ask } from '../testing/raw.ts';
import { keptLines, lines, OWNER, type Sessions, startSessions } from '../testing/session-chats.ts';
import { SESSIONS, sessionClient } from '../testing/session-client.ts';
import { until } from '../testing/until.ts';

let system: Sessions;
before(async () => {
  system = await startSessions({ runners: 2 });
});
after(() => system.stop());

/** Lines of turns as they are said here. */
const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test('a message sent right after done sees the turn before, also without the store having it', async () => {
  const [relay] = system.relays;
  const session = await system.newSession();
  await relay?.signal('SIGSTOP');
  await system.ask(session, 'first of two');
  await system.ask(session, 'second of two');
  assert.deepEqual(lines(system.shown('second of two')), [...turn('first of two'), 'user: second of two']);
  assert.deepEqual(await system.keptMessages(session), []);
  await relay?.signal('SIGCONT');
  assert.deepEqual(keptLines(await system.kept(session, 4)), [...turn('first of two'), ...turn('second of two')]);
});

test('a turn is kept with its task, its model, what it used and its times, and the session adds them up', async () => {
  const session = await system.newSession();
  const task = await system.ask(session, 'counted');
  const [user, answer] = await system.kept(session, 2);
  const turnId = turnIdOf({ id: task.task_id, endedAt: Date.parse(task.ended_at) });
  assert.deepEqual([user?.id, answer?.id], [messageIdOf(turnId, 0), messageIdOf(turnId, 1)]);
  assert.deepEqual(user?.task, { id: task.task_id, status: 'completed' });
  assert.equal(user?.createdAt, Date.parse(task.created_at));
  assert.equal(answer?.createdAt, Date.parse(task.ended_at));
  assert.equal(answer?.model, 'openai/test');
  assert.deepEqual(answer?.usage, { inputTokens: 3, outputTokens: 2, estimated: false });
  const { messageCount, totalTokens } = (await system.store.sessions.read(OWNER, session)) ?? {};
  assert.deepEqual([messageCount, totalTokens], [2, 5]);
});

test('two clients that race in one session: both are kept once, in the order of their ends, each turn together', async () => {
  const session = await system.newSession();
  const texts = range(0, 20).map((n) => `racer ${n}`);
  const ids = await Promise.all(texts.map((text) => system.say(session, text)));
  await Promise.all(ids.map((id) => followToEnd(system.url, id)));
  const tasks = await Promise.all(ids.map(async (id) => (await getTask(system.url, id)).json));
  const order = tasks
    .map(({ task_id: id, ended_at }, at) => ({
      turnId: turnIdOf({ id, endedAt: Date.parse(ended_at) }),
      text: texts[at] ?? '',
    }))
    .sort((a, b) => (a.turnId < b.turnId ? -1 : 1));
  assert.deepEqual(
    keptLines(await system.kept(session, 40)),
    order.flatMap(({ text }) => turn(text)),
  );
});

test('system messages and several new ones: the model gets them all, the session keeps what was said', async () => {
  const session = await system.newSession();
  await system.ask(session, 'before');
  await system.ask(session, 'unused', {
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: [{ type: 'text', text: 'three' }] },
    ],
    images: ['iVBORw0KGgo='],
  });
  const call = system.upstream.calls.at(-1);
  assert.deepEqual(lines(call?.body.messages.slice(0, 5) ?? []), [
    'system: be brief',
    ...turn('before'),
    'user: one',
    'assistant: two',
  ]);
  const messages = await system.kept(session, 6);
  assert.deepEqual(
    messages.slice(2).map(({ role, text }) => [role, text]),
    [
      ['user', 'one'],
      ['assistant', 'two'],
      ['user', 'three'],
      ['assistant', messages[5]?.text],
    ],
  );
  assert.equal(JSON.parse(messages[4]?.content ?? '')[1].type, 'image_url');
});

test('preferences and the summary come first as one system message, and the model of the session, else of the owner, answers', async () => {
  const summary: Summary = { text: 'We spoke of beans.', upTo: makeMessageId(1_000), messages: 9, createdAt: 1_000 };
  const kept = system.store.collection(preferences);
  await kept.put(OWNER, PREFERENCES_ID, { instructions: 'Rhyme.', language: 'ko-KR', model: 'openai/of-owner' });
  try {
    await system.redis.cli('del', `bl:{o:${OWNER}}:context`);
    const session = await system.newSession({ summary, model: 'openai/of-session' });
    await system.ask(session, 'earlier');
    await system.ask(session, 'with all of it');
    const [system_, ...rest] = system.shown('with all of it');
    assert.equal(
      system_?.content,
      'Rhyme.\n\nAnswer in this language: Korean (South Korea).\n\nSummary of the conversation so far: We spoke of beans.',
    );
    assert.deepEqual(lines(rest), [...turn('earlier'), 'user: with all of it']);
    assert.equal(system.callsOf('with all of it')[0]?.body.model, 'of-session');
    await system.ask(session, 'named', { model: 'openai/of-request' });
    assert.equal(system.callsOf('named')[0]?.body.model, 'of-request');
    await system.ask(await system.newSession(), 'unnamed');
    assert.equal(system.callsOf('unnamed')[0]?.body.model, 'of-owner');
  } finally {
    await kept.delete(OWNER, PREFERENCES_ID);
    await system.redis.cli('del', `bl:{o:${OWNER}}:context`);
  }
});

test('without its cached window, and without its turns, a session goes on as the store has it', async () => {
  const session = await system.newSession();
  for (const n of range(0, 8)) await system.ask(session, `kept ${n}`);
  await system.kept(session, 16);
  const before = range(3, 8).flatMap((n) => turn(`kept ${n}`));
  await system.redis.cli('del', `bl:{s:${session}}:window`);
  await system.ask(session, 'without window');
  assert.deepEqual(lines(system.shown('without window')), [...before, 'user: without window']);
  await system.kept(session, 18);
  await system.redis.cli('del', `bl:{s:${session}}:window`, `bl:{s:${session}}:turns`);
  await system.ask(session, 'without both');
  assert.deepEqual(
    lines(system.shown('without both')),
    [...before, ...turn('without window')].slice(-10).concat('user: without both'),
  );
});

test('the window lives on while it is used, and the turns are gone when the store has them', async () => {
  const session = await system.newSession();
  await system.ask(session, 'lives');
  await system.kept(session, 2);
  const exists = async (name: string) => (await system.redis.cli('exists', `bl:{s:${session}}:${name}`)) === '1';
  await until('the turn is done with', async () => !(await exists('turns')) && (await exists('window')));
  await system.redis.cli('pexpire', `bl:{s:${session}}:window`, '60000');
  await system.ask(session, 'lives on');
  const left = async () => Number(await system.redis.cli('pttl', `bl:{s:${session}}:window`));
  // For the moment in which it is read anew after the turn, its place is kept for a minute only.
  await until('the window lives on', async () => (await left()) > 60_000);
});

test("a turn whose task has left Redis is the store's: the window is read anew, and the turn forgotten", async () => {
  const session = await system.newSession();
  await system.ask(session, 'gone from Redis');
  const [message] = await system.kept(session, 2);
  const turns = `bl:{s:${session}}:turns`;
  await until('the turn is done with', async () => (await system.redis.cli('exists', turns)) === '0');
  // As a relay leaves it that dies before its last write, long ago; and a window from before that turn.
  const archived = makeTaskId(Date.now() - 60_000, 0);
  await system.redis.cli('zadd', turns, '0', archived);
  const stale = JSON.stringify({ owner: OWNER, model: null, summary: null, messages: [message] });
  await system.redis.cli('hset', `bl:{s:${session}}:window`, 'json', stale);
  await system.ask(session, 'read anew');
  assert.deepEqual(lines(system.shown('read anew')), [...turn('gone from Redis'), 'user: read anew']);
  assert.ok(!(await system.redis.cli('zrange', turns, '0', '-1')).includes(archived));
});

test('a picture of many megabytes is kept with its message, and shown to the next call', async () => {
  const session = await system.newSession();
  const picture = `data:image/png;base64,${'A'.repeat(8_500_000)}`;
  await system.ask(session, 'look', { images: [picture] });
  const call = system.upstream.calls.at(-1);
  const [message] = await system.kept(session, 2);
  assert.deepEqual(JSON.parse(message?.content ?? ''), call?.body.messages[0]?.content);
  assert.equal(message?.text, 'look');
  await system.ask(session, 'what was it?');
  assert.deepEqual(system.shown('what was it?')[0]?.content, call?.body.messages[0]?.content);
});

test("an unknown session, and another one's, is 404 in the same words, and nothing is accepted", async () => {
  const foreign = await system.newSession({ owner: 'somebody' });
  const unknown = `sess_${'0'.repeat(25)}`;
  const calls = system.upstream.calls.length;
  const taskList = async () => {
    const { status, json } = await ask(`${system.url}/tasks?limit=100`);
    assert.equal(status, 200);
    return json.tasks.map(({ task_id }: { task_id: string }) => task_id);
  };
  const before = await taskList();
  assert.ok(before.length > 0);
  const answers = await Promise.all([foreign, unknown].map((id) => system.send(id, 'not mine')));
  for (const { status, json } of answers) {
    assert.equal(status, 404);
    assert.equal(json.code, 'not_found');
    assert.deepEqual(
      json.errors.map(({ path }: { path: string }) => path),
      ['session_id'],
    );
    delete json.request_id;
  }
  assert.deepEqual(answers[0]?.json, answers[1]?.json);
  assert.deepEqual(await taskList(), before);
  assert.equal(system.upstream.calls.length, calls);
});

test('a replay is answered as before although its session is gone meanwhile; a new request is not', async () => {
  const session = await system.newSession();
  const key = { 'Idempotency-Key': 'of-a-session' };
  const first = await system.send(session, 'once', {}, key);
  await followToEnd(system.url, first.json.task_id);
  await system.kept(session, 2);
  assert.equal((await sessionClient(system.url).call('DELETE', `${SESSIONS}/${session}`)).status, 204);
  const again = await system.send(session, 'once', {}, key);
  assert.deepEqual([again.status, again.json.task_id], [202, first.json.task_id]);
  assert.equal((await system.send(session, 'once')).status, 404);
  assert.equal((await system.send(session, 'other', {}, key)).status, 422);
});

test('a session that is deleted while its task waits: the task fails, and nothing comes back', async () => {
  const session = await system.newSession();
  for (const runner of system.runners) await runner.signal('SIGSTOP');
  const id = await system.say(session, 'too late');
  assert.equal((await sessionClient(system.url).call('DELETE', `${SESSIONS}/${session}`)).status, 204);
  for (const runner of system.runners) await runner.signal('SIGCONT');
  const done = (await followToEnd(system.url, id)).at(-1)?.data;
  assert.deepEqual([done.status, done.error.code], ['failed', 'not_found']);
  assert.deepEqual(system.callsOf('too late'), []);
  const turns = `bl:{s:${session}}:turns`;
  await until('its turn is forgotten', async () => (await system.redis.cli('exists', turns)) === '0');
  assert.equal(await system.store.sessions.read(OWNER, session), null);
});
