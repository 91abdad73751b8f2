/** Titles and summaries: made once, from the right messages, and never in the way of a chat. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { messageIdOf, turnIdOf } from '@beanline/shared/session.ts';
import { chat, followToEnd, getTask, post, submit } from '../testing/client.ts';
import { asked, OWNER, reply, type Sessions, startSessions } from '../testing/session-chats.ts';
import { until } from '../testing/until.ts';
import type { UpstreamCall } from '../testing/upstream.ts';

const TITLE = 'Give this conversation a title';
const SUMMARY = 'Summarise this conversation';
const isAbout = (prompt: string) => (call: UpstreamCall) => String(call.body.messages[0]?.content).startsWith(prompt);

let system: Sessions;
before(async () => {
  system = await startSessions({
    env: {
      AUTO_TITLES: 'on',
      CONTEXT_MESSAGES: '4',
      SUMMARY_AFTER_MESSAGES: '9',
      QUEUES: 'chat.request:20,session.title:2,session.summary:2',
    },
  });
  const { upstream } = system;
  const chats = upstream.answer;
  upstream.answer = (call) => {
    if (isAbout(TITLE)(call)) {
      call.text('<think>hm\n</think>\n## "A title\n');
      return call.finish();
    }
    if (isAbout(SUMMARY)(call)) {
      call.text(`summary ${upstream.calls.filter(isAbout(SUMMARY)).length}`);
      return call.finish();
    }
    return chats(call);
  };
});
after(() => system.stop());

const titleCalls = (text: string) =>
  system.upstream.calls.filter((call) => isAbout(TITLE)(call) && asked(call).includes(text));
const summaryCalls = (text: string) =>
  system.upstream.calls.filter((call) => isAbout(SUMMARY)(call) && asked(call).includes(text));
const sessionOf = async (id: string) => {
  const session = await system.store.sessions.read(OWNER, id);
  assert.ok(session);
  return session;
};

test('twenty turns that race in a new session give it one title, from its first words, and no message is summarised twice', async () => {
  const session = await system.newSession();
  const texts = Array.from({ length: 20 }, (_, n) => `untitled ${n}`);
  const ids = await Promise.all(texts.map((text) => system.say(session, text)));
  await Promise.all(ids.map((id) => followToEnd(system.url, id)));
  await system.kept(session, 40);
  await until('it has a title', async () => (await sessionOf(session)).title !== null);
  const { title, titleBy } = await sessionOf(session);
  assert.deepEqual([title, titleBy], ['A title', 'model']);
  await system.ask(session, 'one more');
  await system.kept(session, 42);
  const calls = titleCalls('untitled');
  assert.equal(calls.length, 1);
  const { body } = calls[0] as UpstreamCall;
  assert.deepEqual([body.temperature, body.max_tokens], [0.2, 4_000]);
  assert.ok(asked(calls[0] as UpstreamCall).length <= 500);
  await until('it has a summary', async () => (await sessionOf(session)).summary !== null);
  const summarised = summaryCalls('untitled').flatMap((call) =>
    asked(call)
      .split('\n')
      .filter((line) => /^user:/.test(line)),
  );
  assert.equal(new Set(summarised).size, summarised.length);
});

test('a session that a person named is not named again', async () => {
  const session = await system.newSession({ title: 'Mine', titleBy: 'client' });
  await system.ask(session, 'already named');
  await system.kept(session, 2);
  const other = await system.newSession();
  await system.ask(other, 'named after it');
  await until('the other one has a title', async () => (await sessionOf(other)).title !== null);
  assert.equal(titleCalls('already named').length, 0);
  const id = await submit(system.url, { type: 'session.title', input: { session_id: session } }, '/tasks');
  assert.equal((await followToEnd(system.url, id)).at(-1)?.data.output.title, 'A title');
  await until('the relay has it', async () => (await system.store.tasks.read(OWNER, id, 'listed')) !== null);
  assert.equal((await sessionOf(session)).title, 'Mine');
});

test('what the window no longer shows is summarised once, in order, and the next call is shown the summary', async () => {
  const session = await system.newSession({ title: 'Mine', titleBy: 'client' });
  const said: string[] = [];
  const turns = async (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      const { task_id: id, ended_at } = await system.ask(session, `summed ${n}.`);
      said.push(turnIdOf({ id, endedAt: Date.parse(ended_at) }));
    }
    await system.kept(session, 2 * to);
  };
  await turns(0, 4);
  assert.equal((await sessionOf(session)).summary, null);
  await turns(4, 5);
  // The store has a change before the window does; the task leaves the turns when both have it.
  const settled = async () => (await system.redis.cli('exists', `bl:{s:${session}}:turns`)) === '0';
  await until('it has a summary', async () => (await sessionOf(session)).summary !== null);
  await until('its window has it', settled);
  const { summary } = await sessionOf(session);
  assert.deepEqual([summary?.messages, summary?.upTo], [6, messageIdOf(said[2] ?? '', 1)]);
  const [first] = summaryCalls('summed');
  assert.equal(
    asked(first as UpstreamCall),
    [0, 1, 2].map((n) => `user: summed ${n}.\nassistant: re: summed ${n}.\n`).join(''),
  );

  await turns(5, 6);
  assert.equal(system.shown('summed 5.')[0]?.content, `Summary of the conversation so far: ${summary?.text}`);
  await turns(6, 8);
  await until('it is summarised further', async () => ((await sessionOf(session)).summary?.messages ?? 0) > 6);
  const further = (await sessionOf(session)).summary;
  assert.deepEqual([further?.messages, further?.upTo], [12, messageIdOf(said[5] ?? '', 1)]);
  assert.equal(summaryCalls('summed').length, 2);
  const again = asked(summaryCalls('summed')[1] as UpstreamCall);
  assert.ok(again.startsWith(`Summary of what came before: ${summary?.text}\n\nuser: summed 3.`), again);
});

test('a long conversation is summarised in bounded calls, each going on from the one before', async () => {
  const session = await system.newSession({ title: 'Mine', titleBy: 'client' });
  const now = Date.now();
  const long = `long ${'word '.repeat(400)}`;
  const messages = Array.from({ length: 34 }, (_, n) => ({
    id: messageIdOf('task_1m80dvxcg008y5d70b2qj0mbs', n),
    role: 'user' as const,
    content: JSON.stringify(`${n} ${long}`),
    text: `${n} ${long}`,
    model: null,
    usage: null,
    metadata: '{}',
    task: null,
    createdAt: now,
  }));
  await system.store.messages.append(OWNER, session, { id: 'msg_1', messages, tokens: 0, now });
  const id = await submit(system.url, { type: 'session.summary', input: { session_id: session } }, '/tasks');
  const { output } = (await followToEnd(system.url, id)).at(-1)?.data ?? {};
  assert.deepEqual([output.messages, output.up_to], [30, messages[29]?.id]);
  const calls = summaryCalls('long word');
  assert.equal(calls.length, 6);
  for (const call of calls) assert.ok(asked(call).length <= 3_100, `${asked(call).length}`);
});

test('a title and a summary ask the model that their request names', async () => {
  const session = await system.newSession();
  const path = `/api/chat/sessions/${session}`;
  // Posted, not asked: nothing but these requests makes a title or a summary.
  for (let n = 0; n < 10; n++) {
    const said = { role: 'user', content: `by another model ${n}` };
    assert.equal((await post(system.url, `${path}/messages`, said)).status, 201);
  }
  const wait = { Prefer: 'wait=30' };
  const title = await post(system.url, `${path}/title`, { model: 'openai/of-title' }, wait);
  assert.deepEqual([title.status, title.json.output?.title], [200, 'A title'], title.text);
  const summary = await post(system.url, `${path}/summary?model=openai/of-summary`, '', wait);
  assert.deepEqual([summary.status, summary.json.status], [200, 'completed'], summary.text);
  const models = (calls: UpstreamCall[]) => calls.map(({ body }) => body.model);
  assert.ok(models(titleCalls('by another model')).includes('of-title'));
  assert.ok(models(summaryCalls('by another model')).includes('of-summary'));
});

test('while chats wait for a runner, a title goes back without an attempt, and follows when they are through', async () => {
  const slow = await startSystemOfOneSlot();
  try {
    const held = Promise.withResolvers<UpstreamCall>();
    slow.answers.set('held', held.resolve);
    const session = await slow.newSession({ title: null });
    const chats = [await submit(slow.url, chat('held'))];
    await held.promise;
    for (const text of ['waits', 'waits too']) chats.push(await submit(slow.url, chat(text)));
    const title = await submit(slow.url, { type: 'session.title', input: { session_id: session } }, '/tasks');
    const isParked = async () => (await slow.redis.cli('zscore', 'bl:{session.title}:delayed', title)) !== '';
    await until('it has stepped back', isParked);
    assert.equal((await getTask(slow.url, title)).json.attempt, 0);
    reply(await held.promise);
    for (const id of chats) await followToEnd(slow.url, id);
    const done = (await followToEnd(slow.url, title)).at(-1)?.data;
    assert.deepEqual([done.status, done.output.title], ['completed', 'New Chat']);
    assert.equal((await getTask(slow.url, title)).json.attempt, 1);
  } finally {
    await slow.stop();
  }
});

test('while a chat is answered and a slot is free, a title goes back without an attempt, and follows when it is through', async () => {
  const free = await startSessions({ env: { QUEUES: 'chat.request:4,session.title:1' } });
  try {
    const held = Promise.withResolvers<UpstreamCall>();
    free.answers.set('held', held.resolve);
    const chatId = await submit(free.url, chat('held'));
    const call = await held.promise;
    const input = { session_id: await free.newSession() };
    const title = await submit(free.url, { type: 'session.title', input }, '/tasks');
    const isParked = async () => (await free.redis.cli('zscore', 'bl:{session.title}:delayed', title)) !== '';
    await until('it has stepped back', isParked);
    assert.equal((await getTask(free.url, title)).json.attempt, 0);
    reply(call);
    await followToEnd(free.url, chatId);
    assert.equal((await followToEnd(free.url, title)).at(-1)?.data.status, 'completed');
    assert.equal((await getTask(free.url, title)).json.attempt, 1);
  } finally {
    await free.stop();
  }
});

const startSystemOfOneSlot = () => startSessions({ env: { QUEUES: 'chat.request:1,session.title:1' } });

test('the built-in responder gives the first words as title, and the beginnings of what was asked as summary', async () => {
  const unset = { OPENAI_BASE_URL: '', OPENAI_API_KEY: '', DEFAULT_MODEL: '' };
  const builtin = await startSessions({
    env: { ...unset, AUTO_TITLES: 'on', CONTEXT_MESSAGES: '2', SUMMARY_AFTER_MESSAGES: '5' },
  });
  try {
    const session = await builtin.newSession();
    for (let n = 0; n < 4; n++) await builtin.ask(session, `Question ${n} about green beans?`);
    const read = () => builtin.store.sessions.read(OWNER, session);
    await until('it has a title', async () => (await read())?.title === 'Question 0 about green beans?');
    await until('it has a summary', async () => (await read())?.summary !== null);
    assert.match((await read())?.summary?.text ?? '', /^- Question 0 about green beans\?\n- Question 1/);
  } finally {
    await builtin.stop();
  }
});

test('a title that cannot be submitted holds up nothing: the turns are kept all the same', async () => {
  const full = await startSessions({
    env: { AUTO_TITLES: 'on', QUEUES: 'chat.request:4', MAX_QUEUE_TASKS: '2' },
  });
  try {
    const sessions = await Promise.all([0, 1, 2, 3].map(() => full.newSession()));
    for (const session of sessions) await full.ask(session, 'untitled for now');
    for (const session of sessions) await full.kept(session, 2);
    await until('it is told of', () => full.logs().includes('session.title could not be submitted'));
    await until('the last turn is done with', async () =>
      (await Promise.all(sessions.map((id) => full.redis.cli('exists', `bl:{s:${id}}:turns`)))).every((n) => n === '0'),
    );
  } finally {
    await full.stop();
  }
});
