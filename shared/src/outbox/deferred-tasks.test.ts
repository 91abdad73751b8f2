import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { createHeldTasks } from './deferred-tasks.ts';

const setup = taskRelay();

test('a task that Redis could not hold is not counted as held, and one that it holds is until it is released', async (t) => {
  const { program, newTask, redis, keys } = setup(t);
  const { deps, config } = await program('relay');
  const heldTasks = createHeldTasks(deps, config);
  const { id } = newTask();
  const failure = { id, what: 'it failed', error: new Error('it failed') };
  await redis.set(keys.held(0), 'no place to hold anything');
  await assert.rejects(heldTasks.hold(0, [failure]));
  assert.ok(!heldTasks.any(0));
  await redis.del(keys.held(0));
  assert.deepEqual(await heldTasks.hold(0, [failure]), new Set([id]));
  assert.ok(heldTasks.any(0));
  await heldTasks.release(0, [id]);
  assert.ok(!heldTasks.any(0));
  assert.equal(await redis.exists(keys.held(0)), 0);
});
