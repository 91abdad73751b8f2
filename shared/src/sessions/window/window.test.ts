import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wired } from '../../../../scripts/testing/wired.ts';
import { someOwner, T0, talk } from '../../store/contract/samples.ts';
import { makeTaskId } from '../../task-id.ts';
import { readWindow } from './window.ts';

test("whoever asks for another one's recent messages gets none, and mends nothing", async (t) => {
  const deps = await wired(t);
  const owner = someOwner();
  const { sessionId } = await talk(deps.store, owner, ['one', 'two']);
  const texts = async (who: string) => (await readWindow(deps, who, sessionId))?.messages.map(({ text }) => text);
  assert.deepEqual(await texts(owner), ['one', 'two']);
  // The store has what this turn said; the relay that kept it died before it could say so.
  const kept = makeTaskId(T0, 0);
  await deps.turns.begin(sessionId, kept);
  let dropped = 0;
  const dropWindow = (id: string) => {
    dropped++;
    return deps.sessionCache.dropWindow(id);
  };
  const counting = { ...deps, sessionCache: { ...deps.sessionCache, dropWindow } };
  assert.equal(await readWindow(counting, someOwner(), sessionId), null);
  assert.deepEqual([dropped, await deps.turns.list(sessionId, 10)], [0, [kept]]);
  assert.equal((await readWindow(counting, owner, sessionId))?.messages.length, 2);
  assert.deepEqual([dropped, await deps.turns.list(sessionId, 10)], [1, []]);
});
