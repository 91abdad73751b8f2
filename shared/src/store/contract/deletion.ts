/** The contract of deleting sessions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pair, someOwner, T0, talk } from './samples.ts';

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
}
