import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurns } from './turns.ts';

const loopTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('one piece goes in a turn of the event loop, owners in turn, and each owner’s in order', async () => {
  const wait = createTurns();
  const went: string[] = [];
  const piece = (owner: string, name: string, left = 0) =>
    wait(owner, () => {
      went.push(name);
      if (left > 0) piece(owner, `${name}'`, left - 1);
    });
  piece('anna', 'a1', 1);
  piece('anna', 'a2');
  piece('anna', 'a3');
  piece('ben', 'b1');
  assert.deepEqual(went, [], 'nothing within the turn that asks');
  const seen: number[] = [];
  for (let i = 0; i < 6; i++) {
    await loopTurn();
    seen.push(went.length);
  }
  assert.deepEqual(went, ['a1', 'b1', 'a2', 'a3', "a1'"]);
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 5]);
});
