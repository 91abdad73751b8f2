/** Waking a task that is held back, by the script `wake`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';

const setup = taskRedis();
const HOUR_MS = 3_600_000;
const held = (dueAt: number, reason = 'paused') => ({ nonce: randomUUID(), dueAt, reason });

test('a task that is woken may start at once, and does not start by that', async (t) => {
  const { create, tasks, twice, now, record, beginOptions } = setup(t);
  const id = await create();
  await tasks.adjust(id, held(Math.ceil(await now()) + HOUR_MS));
  assert.equal(await twice(() => tasks.wake(id, 'paused')), 'chat.request');
  const { status, attempt, due_at, waiting } = await record(id);
  assert.deepEqual([status, attempt, waiting], ['queued', '0', 'paused']);
  assert.ok(Number(due_at) <= (await now()));
  assert.equal((await tasks.begin(id, beginOptions())).verdict, 'start');
});

test('a task that is woken just before it is held back is not held back, once, and only for that reason', async (t) => {
  const { create, tasks, twice, now, events, record } = setup(t);
  const id = await create();
  const { due_at } = await record(id);
  const later = Math.ceil(await now()) + HOUR_MS;
  await tasks.wake(id, 'paused');
  const spared = held(later);
  assert.deepEqual(await twice(() => tasks.adjust(id, spared)), { verdict: 'adjusted', dueAt: Number(due_at) });
  assert.equal((await events(id)).length, 1);
  assert.deepEqual(await tasks.adjust(id, held(later)), { verdict: 'adjusted', dueAt: later });
  await tasks.wake(id, 'budget');
  assert.deepEqual(await tasks.adjust(id, held(later + 1)), { verdict: 'adjusted', dueAt: later + 1 });
});

test('what wakes a task is forgotten when it starts', async (t) => {
  const { create, begin, retry, tasks, now } = setup(t);
  const id = await create();
  await tasks.wake(id, 'paused');
  const { ref, lastId } = await begin(id);
  await tasks.release(ref, retry(lastId));
  const later = Math.ceil(await now()) + HOUR_MS;
  assert.deepEqual(await tasks.adjust(id, held(later)), { verdict: 'adjusted', dueAt: later });
});

test('a task that waits for its time keeps that, and one that runs or has ended is not woken', async (t) => {
  const { create, begin, ending, tasks, record } = setup(t);
  const scheduled = await create({ delayMs: HOUR_MS });
  const { due_at } = await record(scheduled);
  await tasks.wake(scheduled, 'paused');
  assert.equal((await record(scheduled)).due_at, due_at);
  const id = await create();
  const { ref, lastId } = await begin(id);
  assert.equal(await tasks.wake(id, 'paused'), null);
  await tasks.finish(ref, ending(lastId));
  assert.equal(await tasks.wake(id, 'paused'), null);
});
