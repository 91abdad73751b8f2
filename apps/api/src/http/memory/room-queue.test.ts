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

test('of the answers of an owner as many go on at a time as there is room for together', async () => {
  const budget = createByteBudget({ owner: 100, all: 1_000 });
  const room = createRoomQueue(budget);
  const stuck = budget.hold('anna', 90);
  const wentOn: number[] = [];
  const third = Promise.withResolvers<void>();
  for (const bytes of [40, 60, 50]) {
    room.wait('anna', bytes, () => {
      wentOn.push(bytes);
      // They take nothing yet, and go on together for that.
      if (bytes === 50) third.resolve();
      else queueMicrotask(() => assert.deepEqual(wentOn, [40, 60]));
    });
  }
  stuck.release();
  await third.promise;
  assert.deepEqual(wentOn, [40, 60, 50]);
});
