/** Redis loses all it has: sessions live in the store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PREFERENCES_ID, preferences } from '@beanline/shared/sessions/preferences.ts';
import { keptLines, lines, OWNER, startSessions } from '../testing/session-chats.ts';

test('after FLUSHALL a session goes on with the messages, the summary and the instructions that the store has, and is kept on', async (t) => {
  const system = await startSessions();
  t.after(system.stop);
  const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];
  const before = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `before ${name}`);
  const session = await system.newSession();
  for (const text of before) await system.ask(session, text);
  const messages = await system.kept(session, 12);
  await system.store.collection(preferences).put(OWNER, PREFERENCES_ID, { instructions: 'Rhyme.' });
  const upTo = messages[1]?.id ?? '';
  await system.store.sessions.setSummary(OWNER, session, { text: 'It began.', upTo, messages: 2, createdAt: 1_000 });
  await system.redis.cli('flushall');

  await system.ask(session, 'after it');
  const [instructions, ...shown] = system.shown('after it');
  assert.equal(instructions?.content, 'Rhyme.\n\nSummary of the conversation so far: It began.');
  assert.deepEqual(lines(shown), [...before.slice(1).flatMap(turn), 'user: after it']);

  await system.ask(session, 'and on');
  assert.deepEqual(lines(system.shown('and on')).slice(-3), [...turn('after it'), 'user: and on']);
  const kept = keptLines(await system.kept(session, 16));
  assert.deepEqual(kept, [...before, 'after it', 'and on'].flatMap(turn));
});
