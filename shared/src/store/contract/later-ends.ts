/** The contract of tasks that end twice, because Redis lost the end that the store had: the later end stands, with all of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, messageIdOf, turnIdOf } from '../../session.ts';
import type { ArchivedTask, Turn } from '../../store.ts';
import { makeTaskId } from '../../task-id.ts';
import { type Pair, someEvents, someMessage, someOwner, someSession, someTask, T0, talk } from './samples.ts';

/** One end of a task, all of whose parts say which. */
function someEnd(owner: string, id: string, attempt: number, endedAt: number): ArchivedTask {
  const name = `${attempt}-${endedAt}`;
  const fields = { id, attempt, endedAt, output: JSON.stringify(name), lastId: `${attempt}-9` } as const;
  const status = attempt % 2 ? 'completed' : 'failed';
  return someTask(owner, { ...fields, status }, { input: JSON.stringify({ name }), events: someEvents(attempt + 1) });
}

/** What a chat adds with one of its ends: its question, and its answer unless it has none. */
function someTurn(id: string, attempt: number, at: number, more: { replaces?: boolean; answers?: boolean } = {}): Turn {
  const { replaces = false, answers = true } = more;
  const turn = turnIdOf({ id, endedAt: at });
  const task = { id, status: 'completed' } as const;
  const message = (index: number, text: string, fields: Partial<Message> = {}) =>
    someMessage(text, { id: messageIdOf(turn, index), task, createdAt: T0, ...fields });
  const messages = [message(0, 'question')];
  if (answers) messages.push(message(1, `answer ${attempt}-${at}`, { role: 'assistant' }));
  return { id, messages, tokens: at - T0, now: at, end: { attempt, at, replaces } };
}

export function laterEndsContract(stores: () => Pair) {
  test('a later end, by attempt and then by time, takes the place of an earlier one, which changes nothing any more', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const other = someTask(owner);
    const id = makeTaskId(T0, 0);
    const ends = [someEnd(owner, id, 1, T0 + 9), someEnd(owner, id, 1, T0 + 20), someEnd(owner, id, 2, T0 + 15)];
    const [first, second, third] = ends as [ArchivedTask, ArchivedTask, ArchivedTask];
    const stands = async ({ record, input, events }: ArchivedTask) => {
      for (const store of [one, two]) {
        assert.deepEqual(await store.tasks.read(owner, id, 'whole'), record);
        assert.deepEqual(await store.tasks.readRequest(owner, id), { input, timeoutMs: 300_000 });
        assert.deepEqual(await store.tasks.readEvents(owner, id), events);
        const { status } = record;
        const listed = await store.tasks.list(owner, { limit: 9, before: null, status });
        assert.ok(listed.some((each) => each.id === id && each.endedAt === record.endedAt));
        assert.equal((await store.tasks.list(owner, { limit: 9, before: null })).length, 2);
      }
    };
    assert.deepEqual(await one.tasks.put([first, other]), { overtaken: [], replacing: [] });
    assert.deepEqual(await two.tasks.put([first]), { overtaken: [], replacing: [] });
    assert.deepEqual(await two.tasks.put([other, second]), { overtaken: [], replacing: [id] });
    await stands(second);
    assert.deepEqual(await one.tasks.put([first]), { overtaken: [id], replacing: [] });
    assert.deepEqual(await one.tasks.put([second]), { overtaken: [], replacing: [id] });
    await stands(second);
    assert.deepEqual(await one.tasks.put([third, first]), { overtaken: [id], replacing: [id] });
    assert.deepEqual(await two.tasks.put([second, third]), { overtaken: [id], replacing: [id] });
    await stands(third);
    assert.deepEqual(await one.tasks.read(owner, other.record.id, 'whole'), other.record);
  });

  test('what a later end does not have is gone', async () => {
    const { one } = stores();
    const owner = someOwner();
    const first = someTask(owner, { endedAt: T0 + 1 });
    const { id } = first.record;
    await one.tasks.put([first]);
    const later = someTask(owner, { ...first.record, endedAt: T0 + 2, output: null }, { input: null, events: [] });
    await one.tasks.put([later]);
    assert.deepEqual(await one.tasks.read(owner, id, 'whole'), later.record);
    assert.deepEqual(await one.tasks.readRequest(owner, id), { input: null, timeoutMs: 300_000 });
    assert.deepEqual(await one.tasks.readEvents(owner, id), []);
  });

  test('of ends that are put at once, again and again, the latest stands whole', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const id = makeTaskId(T0, 0);
    const ends = [1, 2, 3, 4].map((attempt) => someEnd(owner, id, attempt, T0 + attempt));
    await Promise.all(
      Array.from({ length: 24 }, (_, i) => (i % 2 ? one : two).tasks.put(ends.slice(i % 4, (i % 4) + 1))),
    );
    const last = ends[3] as ArchivedTask;
    assert.deepEqual(await one.tasks.read(owner, id, 'whole'), last.record);
    assert.deepEqual(await two.tasks.readEvents(owner, id), last.events);
    assert.deepEqual(await two.tasks.readRequest(owner, id), { input: last.input, timeoutMs: 300_000 });
    assert.equal((await one.tasks.list(owner, { limit: 9, before: null })).length, 1);
  });

  test('a task that was purged does not come back with a later end', async () => {
    const { one } = stores();
    const owner = someOwner();
    const first = someEnd(owner, makeTaskId(T0, 0), 1, 5);
    const second = someEnd(owner, first.record.id, 2, 6);
    await one.tasks.put([first]);
    await one.tasks.put([second]);
    while ((await one.tasks.purge(7, 100)) > 0);
    await one.tasks.put([someEnd(owner, first.record.id, 3, T0)]);
    assert.equal(await one.tasks.read(owner, first.record.id, 'whole'), 'purged');
    assert.equal(await one.tasks.readEvents(owner, first.record.id), null);
  });

  test('the turn of a later end takes the place of the earlier one’s, counted exactly, however often either comes', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const { sessionId, messages: others } = await talk(one, owner, ['posted']);
    const id = makeTaskId(T0, 0);
    const append = (store: typeof one, turn: Turn) => store.messages.append(owner, sessionId, turn);
    const neighbour = someTurn(makeTaskId(T0, 0), 1, T0 + 70);
    const [early, later] = [someTurn(id, 1, T0 + 100), someTurn(id, 1, T0 + 230, { replaces: true })];
    await append(one, neighbour);
    await append(one, early);
    const check = async (turn: Turn) => {
      const session = await two.sessions.read(owner, sessionId);
      // What was posted used 7 tokens.
      assert.deepEqual([session?.messageCount, session?.totalTokens], [5, 7 + 70 + turn.tokens]);
      const all = [...others, ...neighbour.messages, ...turn.messages];
      assert.deepEqual(await one.messages.page(owner, sessionId, { limit: 9, before: null }), all);
      assert.equal((await one.messages.matching(owner, 'answer', 9)).length, 2);
    };
    await check(early);
    assert.equal((await append(two, later))?.messageCount, 5);
    await check(later);
    for (const turn of [later, early, neighbour, early, later]) await append(one, turn);
    await check(later);
    assert.deepEqual(await one.messages.matching(owner, '100', 9), []);
    const last = someTurn(id, 2, T0 + 90, { replaces: true });
    await append(two, last);
    await check(last);
    await append(one, later);
    await check(last);
  });

  test('a later end that says nothing takes the earlier turn away', async () => {
    const { one } = stores();
    const owner = someOwner();
    const { sessionId, messages } = await talk(one, owner, ['posted']);
    const id = makeTaskId(T0, 0);
    const early = someTurn(id, 1, T0 + 100);
    await one.messages.append(owner, sessionId, early);
    const end = { attempt: 1, at: T0 + 200, replaces: true };
    const nothing = { id, messages: [], tokens: 0, now: T0 + 200, end };
    for (const turn of [nothing, early, nothing]) {
      const session = await one.messages.append(owner, sessionId, turn);
      assert.deepEqual([session?.messageCount, session?.totalTokens], [1, 7]);
    }
    assert.deepEqual(await one.messages.page(owner, sessionId, { limit: 9, before: null }), messages);
  });

  test('a later end is added where the session has nothing of an earlier one', async () => {
    const { one } = stores();
    const owner = someOwner();
    const { sessionId } = await talk(one, owner, ['posted']);
    const later = someTurn(makeTaskId(T0, 0), 2, T0 + 100, { replaces: true });
    for (let i = 0; i < 2; i++) {
      const session = await one.messages.append(owner, sessionId, later);
      assert.deepEqual([session?.messageCount, session?.totalTokens], [3, 107]);
    }
  });

  test('a question that another task has asked first stays when the end of one that asked it again is replaced', async () => {
    const { one } = stores();
    const owner = someOwner();
    const { sessionId } = await talk(one, owner, ['posted']);
    const asked = someTurn(makeTaskId(T0, 0), 1, T0 + 50, { answers: false });
    const again = (turn: Turn): Turn => ({ ...turn, messages: [...asked.messages, ...turn.messages.slice(1)] });
    const id = makeTaskId(T0, 0);
    const [early, later] = [someTurn(id, 1, T0 + 100), someTurn(id, 1, T0 + 200, { replaces: true })].map(again);
    for (const turn of [asked, early, later, early]) if (turn) await one.messages.append(owner, sessionId, turn);
    const session = await one.sessions.read(owner, sessionId);
    assert.deepEqual([session?.messageCount, session?.totalTokens], [3, 7 + 50 + 200]);
    const texts = (await one.messages.page(owner, sessionId, { limit: 9, before: null })).map(({ text }) => text);
    assert.deepEqual(texts.sort(), [`answer 1-${T0 + 200}`, 'posted', 'question']);
  });

  test('of turns of several ends that are added at once, again and again, the latest stands and counts once', async () => {
    const { one, two } = stores();
    for (let round = 0; round < 4; round++) {
      const owner = someOwner();
      const { sessionId } = await talk(one, owner, ['posted']);
      const id = makeTaskId(T0, 0);
      const turns = [1, 2, 3].map((n) => someTurn(id, n, T0 + 100 * n, { replaces: n > 1 }));
      const add = (i: number) => (i % 2 ? one : two).messages.append(owner, sessionId, turns[i % 3] as Turn);
      await Promise.all(Array.from({ length: 18 }, (_, i) => add(i + round)));
      const session = await one.sessions.read(owner, sessionId);
      assert.deepEqual([session?.messageCount, session?.totalTokens], [3, 307]);
      const page = await two.messages.page(owner, sessionId, { limit: 9, before: null });
      assert.deepEqual(page.slice(1), turns[2]?.messages);
    }
  });

  test('an early turn of a long session is replaced as exactly as a late one', async () => {
    const { one } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const id = makeTaskId(T0, 0);
    const early = someTurn(id, 1, T0 + 100);
    await one.messages.append(owner, session.id, early);
    for (let n = 0; n < 300; n += 60) {
      const messages = Array.from({ length: 60 }, (_, i) => someMessage('filler', { createdAt: T0 + 1_000 + n + i }));
      await one.messages.append(owner, session.id, { id: `t${n}`, messages, tokens: 1, now: T0 });
    }
    const later = someTurn(id, 1, T0 + 230, { replaces: true });
    for (const turn of [later, early, later]) {
      const found = await one.messages.append(owner, session.id, turn);
      assert.deepEqual([found?.messageCount, found?.totalTokens], [302, 5 + 230]);
    }
    const page = await one.messages.page(owner, session.id, { limit: 400, before: null });
    assert.equal(page.length, 302);
    assert.deepEqual(page.slice(0, 2), later.messages);
  });
}
