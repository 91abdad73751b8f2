import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { createDeferredTasks } from './deferred-tasks.ts';

const setup = taskRelay();

test('a task that Redis could not defer is not counted as deferred, and one that it deferred is until it is released', async (t) => {
  const { program, newTask, redis, keys } = setup(t);
  const { deps, config } = await program('relay');
  const deferredTasks = createDeferredTasks(deps, config);
  const { id } = newTask();
  const failure = { id, what: 'it failed', error: new Error('it failed') };
  await redis.set(keys.deferred(0), 'no place to hold anything');
  await assert.rejects(deferredTasks.defer(0, [failure]));
  assert.ok(!deferredTasks.any(0));
  await redis.del(keys.deferred(0));
  assert.deepEqual(await deferredTasks.defer(0, [failure]), new Set([id]));
  assert.ok(deferredTasks.any(0));
  await deferredTasks.release(0, [id]);
  assert.ok(!deferredTasks.any(0));
  assert.equal(await redis.exists(keys.deferred(0)), 0);
});
