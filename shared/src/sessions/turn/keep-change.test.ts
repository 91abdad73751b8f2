/** When a session is due for a title and a summary, and when it is asked for again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wired } from '../../../../scripts/testing/wired.ts';
import type { Deps } from '../../deps.ts';
import { someOwner, someSession, someTask, T0 } from '../../store/contract/samples.ts';
import { SESSION } from '../marks.ts';
import { keepSessionChange } from './keep-change.ts';

const HOUR_MS = 3_600_000;

/** Keeps turns of two messages in a new session; `keep` gives the types that are due after it, and their keys. */
async function conversation(deps: Deps) {
  const owner = someOwner();
  const session = someSession(owner);
  await deps.store.sessions.create(session);
  let count = 0;
  const keep = async (given = deps) => {
    const createdAt = T0 + 1_000 * ++count;
    const output = { role: 'assistant', content: 'Green.', model: 'm', provider: 'p', finish_reason: 'stop' };
    const input = { messages: [{ role: 'user', content: `turn ${count}` }], session_id: session.id };
    const { record } = someTask(owner, { createdAt, output: JSON.stringify(output), marks: { [SESSION]: session.id } });
    const due = await keepSessionChange(given, { record, input: JSON.stringify(input) });
    return new Map(due.map(({ type, idempotencyKey }) => [type, idempotencyKey]));
  };
  const messages = () => deps.store.messages.page(owner, session.id, { limit: 1_000, before: null });
  return { owner, sessionId: session.id, keep, messages };
}

test('a summary is due with more messages than SUMMARY_AFTER_MESSAGES, then for each five that are neither shown nor covered', async (t) => {
  const deps = await wired(t);
  const { owner, sessionId, keep, messages } = await conversation(deps);
  const due: number[] = [];
  let covered = 0;
  for (let n = 1; n <= 20; n++) {
    if (!(await keep()).has('session.summary')) continue;
    due.push(2 * n);
    const all = await messages();
    covered = all.length - deps.sessionLimits.contextMessages;
    const upTo = all[covered - 1]?.id ?? '';
    await deps.store.sessions.setSummary(owner, sessionId, { text: 'So far.', upTo, messages: covered, createdAt: T0 });
  }
  // Every 5 in turns of 2.
  assert.deepEqual(due, [16, 22, 28, 34, 40]);
});

test('a title and a summary that failed are asked for again within hours, and within one hour once', async (t) => {
  const deps = await wired(t);
  const { keep } = await conversation(deps);
  for (let n = 1; n < 8; n++) await keep();
  const start = Math.ceil(deps.clock.now() / HOUR_MS) * HOUR_MS;
  const at = (ms: number): Deps => ({ ...deps, clock: { ...deps.clock, now: () => start + ms } });
  const first = await keep(at(0));
  assert.deepEqual([...first.keys()], ['session.title', 'session.summary']);
  assert.deepEqual(await keep(at(HOUR_MS - 1)), first);
  const later = await keep(at(HOUR_MS));
  assert.deepEqual([...later.keys()], [...first.keys()]);
  for (const [type, key] of later) assert.notEqual(key, first.get(type));
});
