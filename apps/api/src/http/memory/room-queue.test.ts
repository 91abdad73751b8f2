import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createByteBudget } from './byte-budget.ts';
import { createRoomQueue } from './room-queue.ts';

test('answers that wait for room go on in order, each when there is room for it, and other owners’ beside them', async () => {
  const budget = createByteBudget({ owner: 100, all: 1_000 });
  const room = createRoomQueue(budget);
  const stuck = budget.hold('anna', 90);
  const wentOn: string[] = [];
  const ended = Promise.withResolvers<void>();
  /** Takes what it waited for, as an answer that is written does, and gives it back a look later. */
  const wait = (name: string, owner: string, bytes: number, then: () => void = () => undefined) =>
    room.wait(owner, bytes, () => {
      wentOn.push(name);
      assert.equal(budget.passes(owner, bytes), null);
      const held = budget.hold(owner, bytes);
      room.wait('clock', 0, () => {
        held.release();
        then();
      });
    });
  const leaves = wait('leaves', 'anna', 50);
  wait('first', 'anna', 60);
  wait('second', 'anna', 60, ended.resolve);
  const other = Promise.withResolvers<void>();
  wait('of ben', 'ben', 60, other.resolve);
  await other.promise;
  assert.deepEqual(wentOn, ['of ben']);
  leaves();
  stuck.release();
  await ended.promise;
  assert.deepEqual(wentOn, ['of ben', 'first', 'second']);
});
