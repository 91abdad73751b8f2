/** How much of a long session the model is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptLines, lines, startSessions } from '../testing/session-chats.ts';

/** Lines of turns as they are said here. */
const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test('each of fifty turns sees the one before it, and no more than the window, in order', async (t) => {
  const system = await startSessions();
  t.after(system.stop);
  const session = await system.newSession();
  for (const n of range(0, 50)) {
    await system.ask(session, `turn ${n}`);
    const before = range(Math.max(0, n - 5), n).flatMap((m) => turn(`turn ${m}`));
    assert.deepEqual(lines(system.shown(`turn ${n}`)), [...before, `user: turn ${n}`]);
  }
  const messages = await system.kept(session, 100);
  assert.deepEqual(
    keptLines(messages),
    range(0, 50).flatMap((n) => turn(`turn ${n}`)),
  );
});
