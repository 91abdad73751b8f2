/** The contract of deleting sessions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pair, someMessage, someOwner, someSession, T0, talk } from './samples.ts';

export function deletionContract(stores: () => Pair) {
  test('a deleted session is gone with its messages, for every reader and search', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const { sessionId, messages } = await talk(one, owner, ['the green bean', 'is green'], {
      title: 'Bean talk',
      titleBy: 'client',
    });
    const other = await talk(one, owner, ['another green bean'], { title: 'Bean two', titleBy: 'client' });
    assert.equal(await two.sessions.delete(owner, sessionId), true);
    assert.equal(await two.sessions.delete(owner, sessionId), false);
    assert.equal(await one.sessions.read(owner, sessionId), null);
    assert.deepEqual(await one.messages.page(owner, sessionId, { limit: 10, before: null }), []);
    assert.deepEqual(await one.messages.range(owner, sessionId, { after: null, before: 'zzz', limit: 10 }), []);
    const found = await one.messages.matching(owner, 'green', 10);
    assert.deepEqual(
      found.map((match) => match.sessionId),
      [other.sessionId],
    );
    assert.deepEqual(await one.sessions.titled(owner, 'bean', 10), [other.sessionId]);
    assert.equal((await one.sessions.list(owner, {}, { sort: 'updated_at', limit: 9, skip: 0 })).total, 1);
    const late = { id: 'msg_late', messages, tokens: 5, now: T0 + 99 };
    assert.equal(await one.messages.append(owner, sessionId, late), null);
    assert.equal(await one.sessions.setTitle(owner, sessionId, 'x', 'client', T0), null);
  });

  test('of twenty that delete one session at once one does', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const { sessionId } = await talk(one, owner, ['x']);
    const gone = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).sessions.delete(owner, sessionId)),
    );
    assert.equal(gone.filter(Boolean).length, 1);
  });

  test('a long session is gone at once and whole, and one of the same id begins empty', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner, { title: 'Bean', titleBy: 'client' });
    const other = await talk(one, owner, ['a bean of another session']);
    await one.sessions.create(session);
    for (let n = 0; n < 1_200; n += 100) {
      const messages = Array.from({ length: 100 }, (_, i) => someMessage('a bean', { createdAt: T0 + n + i }));
      await one.messages.append(owner, session.id, { id: `turn ${n}`, messages, tokens: 1, now: T0 });
    }
    assert.equal(await one.sessions.delete(owner, session.id), true);
    assert.equal(await two.sessions.read(owner, session.id), null);
    assert.deepEqual(await two.messages.page(owner, session.id, { limit: 10, before: null }), []);
    await two.sessions.create(session);
    const turn = { id: 't', messages: [someMessage('a new bean')], tokens: 1, now: T0 };
    assert.equal((await two.messages.append(owner, session.id, turn))?.messageCount, 1);
    assert.equal((await two.messages.page(owner, session.id, { limit: 10, before: null })).length, 1);
    const found = new Set((await two.messages.matching(owner, 'bean', 5_000)).map(({ sessionId }) => sessionId));
    assert.deepEqual(found, new Set([session.id, other.sessionId]));
    assert.equal((await one.messages.matching(owner, 'bean', 5_000)).length, 2);
  });
}
