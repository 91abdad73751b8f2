/** The contract of sessions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { featureModes, type Session } from '../../session.ts';
import { type SessionFilter, type SessionSort, sessionSorts } from '../../store.ts';
import { byIdDown, type Pair, pick, randomOf, someMessage, someOwner, someSession, T0, talk } from './samples.ts';

const numberOf: Record<SessionSort, (session: Session) => number> = {
  updated_at: (session) => session.updatedAt,
  created_at: (session) => session.createdAt,
  total_tokens: (session) => session.totalTokens,
  message_count: (session) => session.messageCount,
};

/** What `list` means, said once more and simply. */
function listOf(sessions: Session[], filter: SessionFilter, sort: SessionSort): Session[] {
  const within = (n: number, from: number | undefined, to: number | undefined) =>
    n >= (from ?? -Infinity) && n <= (to ?? Infinity);
  return sessions
    .filter((session) => filter.ids === undefined || filter.ids.includes(session.id))
    .filter((session) => filter.featureMode === undefined || session.featureMode === filter.featureMode)
    .filter((session) => within(session.updatedAt, filter.updatedFrom, filter.updatedTo))
    .filter((session) => within(session.totalTokens, filter.minTokens, filter.maxTokens))
    .filter((session) => within(session.messageCount, filter.minMessages, filter.maxMessages))
    .sort((a, b) => numberOf[sort](b) - numberOf[sort](a) || byIdDown(a, b));
}

export function sessionsContract(stores: () => Pair) {
  test('a session comes back as it was made, and making it again changes nothing', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner, {
      title: 'Beans',
      titleBy: 'client',
      featureMode: 'web-search',
      model: 'openai/gpt',
      featureOptions: '{"depth":[1,{"a":null}]}',
      totalTokens: 5,
      summary: { text: 'Of beans.', upTo: 'msg_1', messages: 2, createdAt: T0 },
    });
    await one.sessions.create(session);
    await two.sessions.create({ ...session, title: 'Peas' });
    assert.deepEqual(await one.sessions.read(owner, session.id), session);
    assert.deepEqual(await two.sessions.read(owner, session.id), session);
    assert.deepEqual(await one.sessions.titled(owner, 'peas', 10), []);
  });

  test('of twenty that make one session at once one does', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    const made = Array.from({ length: 20 }, (_, i) => ({ ...session, model: String(i) }));
    await Promise.all(made.map((each, i) => (i % 2 ? one : two).sessions.create(each)));
    const list = await one.sessions.list(owner, {}, { sort: 'updated_at', limit: 10, skip: 0 });
    assert.equal(list.total, 1);
    assert.ok(made.some(({ model }) => model === list.sessions[0]?.model));
    assert.deepEqual(await two.sessions.read(owner, session.id), list.sessions[0]);
  });

  test('a session of another owner cannot be read, listed, changed, written to or deleted', async () => {
    const { one } = stores();
    const owner = someOwner();
    const stranger = someOwner();
    const { sessionId, messages } = await talk(one, owner, ['hello'], { title: 'Beans', titleBy: 'model' });
    const before = await one.sessions.read(owner, sessionId);
    const turn = { id: 'msg_x', messages: [someMessage('intruder')], tokens: 9, now: T0 + 99 };
    assert.equal(await one.sessions.read(stranger, sessionId), null);
    assert.equal(await one.sessions.setTitle(stranger, sessionId, 'Mine', 'client', T0), null);
    const summary = { text: 'mine', upTo: 'msg_z', messages: 1, createdAt: T0 };
    assert.equal(await one.sessions.setSummary(stranger, sessionId, summary), null);
    assert.equal(await one.sessions.delete(stranger, sessionId), false);
    assert.equal(await one.messages.append(stranger, sessionId, turn), null);
    assert.deepEqual(await one.messages.page(stranger, sessionId, { limit: 10, before: null }), []);
    assert.deepEqual(await one.messages.range(stranger, sessionId, { after: null, before: 'zzz', limit: 10 }), []);
    assert.deepEqual(await one.messages.matching(stranger, 'hello', 10), []);
    assert.deepEqual(await one.sessions.titled(stranger, 'Beans', 10), []);
    const list = { sort: 'updated_at', limit: 10, skip: 0 } as const;
    assert.deepEqual(await one.sessions.list(stranger, {}, list), { sessions: [], total: 0 });
    assert.deepEqual(await one.sessions.list(stranger, { ids: [sessionId] }, list), { sessions: [], total: 0 });
    assert.deepEqual(await one.sessions.read(owner, sessionId), before);
    assert.deepEqual(await one.messages.page(owner, sessionId, { limit: 10, before: null }), messages);
  });

  test('an owner’s session does not stand in the way of another owner’s of the same id', async () => {
    const { one } = stores();
    const mine = someSession(someOwner(), { title: 'Mine', titleBy: 'client' });
    const theirs = { ...mine, owner: someOwner(), title: 'Theirs' };
    await one.sessions.create(mine);
    await one.sessions.create(theirs);
    const message = someMessage('the same id');
    const turn = { id: message.id, messages: [message], tokens: 1, now: T0 + 1 };
    assert.equal((await one.messages.append(mine.owner, mine.id, turn))?.messageCount, 1);
    assert.equal((await one.messages.append(theirs.owner, mine.id, turn))?.messageCount, 1);
    assert.equal(await one.sessions.delete(mine.owner, mine.id), true);
    assert.equal((await one.sessions.read(theirs.owner, mine.id))?.title, 'Theirs');
    assert.deepEqual(await one.messages.page(theirs.owner, mine.id, { limit: 10, before: null }), [message]);
    assert.equal((await one.messages.matching(theirs.owner, 'same', 10)).length, 1);
  });

  test('lists agree with a plain model for every sort, filter and page, and totals count all that match', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(7);
    const some = (n: number) => Math.floor(random() * n);
    const sessions = Array.from({ length: 120 }, () =>
      someSession(owner, {
        featureMode: pick(random, featureModes.slice(0, 3)),
        createdAt: T0 + some(20),
        updatedAt: T0 + some(30),
        totalTokens: some(12),
        messageCount: some(5),
      }),
    );
    await Promise.all(sessions.map((session, i) => (i % 2 ? one : two).sessions.create(session)));
    const maybe = (n: number) => (random() < 0.6 ? undefined : some(n));
    const time = (n: number) => (n < 0 ? undefined : T0 + n);
    for (let round = 0; round < 150; round++) {
      const filter: SessionFilter = {
        ...(random() < 0.25 ? { ids: [...sessions.filter(() => random() < 0.4).map(({ id }) => id), 'none'] } : {}),
        featureMode: random() < 0.5 ? undefined : pick(random, featureModes.slice(0, 4)),
        updatedFrom: time(maybe(30) ?? -1),
        updatedTo: time(maybe(30) ?? -1),
        minTokens: maybe(12),
        maxTokens: maybe(12),
        minMessages: maybe(5),
        maxMessages: maybe(5),
      };
      const sort = pick(random, sessionSorts);
      const expected = listOf(sessions, filter, sort);
      const limit = 1 + some(40);
      const skip = some(3) * limit;
      const found = await two.sessions.list(owner, filter, { sort, limit, skip });
      assert.deepEqual(found, { sessions: expected.slice(skip, skip + limit), total: expected.length });
    }
    const page = { sort: 'updated_at', limit: 10, skip: 0 } as const;
    assert.deepEqual(await one.sessions.list(owner, { ids: [] }, page), { sessions: [], total: 0 });
  });

  test('a model’s title stands until a client gives one, and never replaces that', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const title = (store: typeof one, text: string, by: 'client' | 'model') =>
      store.sessions.setTitle(owner, session.id, text, by, T0 + 1);
    assert.deepEqual(await title(one, 'Beans', 'model'), {
      ...session,
      title: 'Beans',
      titleBy: 'model',
      updatedAt: T0 + 1,
    });
    assert.equal((await title(two, 'Peas', 'model'))?.title, 'Peas');
    assert.equal((await title(one, 'Mine', 'client'))?.titleBy, 'client');
    const kept = await title(two, 'Theirs', 'model');
    assert.deepEqual([kept?.title, kept?.titleBy], ['Mine', 'client']);
    assert.equal((await title(two, 'Mine again', 'client'))?.title, 'Mine again');
    assert.deepEqual(await one.sessions.titled(owner, 'beans', 10), []);
    assert.deepEqual(await one.sessions.titled(owner, 'again', 10), [session.id]);
    assert.equal(await one.sessions.setTitle(owner, 'none', 'x', 'client', T0), null);
  });

  test('of twenty titles that come at once the client’s stands', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? one : two).sessions.setTitle(owner, session.id, `t${i}`, i === 9 ? 'client' : 'model', T0),
      ),
    );
    assert.equal((await one.sessions.read(owner, session.id))?.title, 't9');
  });

  test('a change never moves the time of a session back', async () => {
    const { one } = stores();
    const owner = someOwner();
    const session = someSession(owner, { updatedAt: T0 + 100 });
    await one.sessions.create(session);
    const titled = await one.sessions.setTitle(owner, session.id, 'x', 'client', T0 + 50);
    assert.equal(titled?.updatedAt, T0 + 100);
    const turn = { id: 'msg_1', messages: [someMessage('x')], tokens: 1, now: T0 + 60 };
    assert.equal((await one.messages.append(owner, session.id, turn))?.updatedAt, T0 + 100);
    assert.equal((await one.messages.append(owner, session.id, { ...turn, now: T0 + 200 }))?.updatedAt, T0 + 100);
  });

  test('a summary stands only if it reaches further than the one before', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const summaryTo = (n: number) => ({ text: `up to ${n}`, upTo: `msg_${n}`, messages: n, createdAt: T0 + n });
    const set = (store: typeof one, n: number, text = `up to ${n}`) =>
      store.sessions.setSummary(owner, session.id, { ...summaryTo(n), text });
    assert.deepEqual(await set(one, 5), { ...session, summary: summaryTo(5) });
    assert.deepEqual((await set(two, 3))?.summary, summaryTo(5));
    assert.deepEqual((await set(two, 5, 'another'))?.summary, summaryTo(5));
    await Promise.all([7, 9, 6, 8].map((n, i) => set(i % 2 ? one : two, n)));
    assert.deepEqual((await one.sessions.read(owner, session.id))?.summary, summaryTo(9));
    assert.equal(await one.sessions.setSummary(owner, 'none', summaryTo(1)), null);
  });

  test('numbers of a session are exact up to the largest safe integer', async () => {
    const { one } = stores();
    const owner = someOwner();
    for (const n of [2 ** 31, 2 ** 33 + 1, Number.MAX_SAFE_INTEGER]) {
      const session = someSession(owner, { createdAt: n, updatedAt: n, totalTokens: n - 5, messageCount: 3 });
      await one.sessions.create(session);
      const turn = { id: 'msg_1', messages: [someMessage('x', { createdAt: n })], tokens: 5, now: n };
      const after = { ...session, totalTokens: n, messageCount: 4 };
      assert.deepEqual(await one.messages.append(owner, session.id, turn), after);
      const page = { sort: 'total_tokens', limit: 5, skip: 0 } as const;
      const filter = { minTokens: n, maxTokens: n, updatedFrom: n, updatedTo: n };
      assert.deepEqual(await one.sessions.list(owner, filter, page), { sessions: [after], total: 1 });
    }
  });
}
