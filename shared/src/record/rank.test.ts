import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import type { NewTask } from './task-verdicts.ts';

const setup = taskRedis();

/** A whole minute well ahead, so that the rank follows from `runAt` alone. */
const AHEAD = Date.UTC(2028, 0, 1);
const MINUTE = 60_000;

function ranks({ tasks, newTask }: ReturnType<typeof setup>) {
  let owners = 0;
  return async (over: Partial<NewTask>): Promise<number> => {
    const created = await tasks.create(newTask({ owner: `owner-${owners++}`, ...over }));
    assert.equal(created.verdict, 'created');
    return created.rank;
  };
}

test('tasks of one minute share a rank, so that the queue keeps them in order, and later minutes come later', async (t) => {
  const rank = ranks(setup(t));
  const first = await rank({ runAt: AHEAD });
  assert.equal(await rank({ runAt: AHEAD + 59_999 }), first);
  assert.equal(await rank({ runAt: AHEAD + MINUTE }), first + 1);
});

test('priority moves a task by its minutes: high starts before tasks of the last ten, low after those of the next ten', async (t) => {
  const rank = ranks(setup(t));
  const normal = await rank({ runAt: AHEAD });
  assert.equal(await rank({ runAt: AHEAD, headStartMs: 10 * MINUTE }), normal - 10);
  assert.equal(await rank({ runAt: AHEAD, headStartMs: -10 * MINUTE }), normal + 10);
});

test('an owner with waiting tasks goes back a minute and the spread for each, an hour at most', async (t) => {
  const rank = ranks(setup(t, { limits: { spreadMs: 20_000 } }));
  const flood: number[] = [];
  for (let i = 0; i < 200; i++) flood.push(await rank({ runAt: AHEAD, owner: 'flood' }));
  const [first = 0] = flood;
  assert.deepEqual(
    flood.map((value) => value - first),
    Array.from({ length: 200 }, (_, waiting) => (waiting === 0 ? 0 : Math.min(60, 1 + Math.floor(waiting / 3)))),
  );
  assert.equal(await rank({ runAt: AHEAD, owner: 'quiet' }), first);
});

test('a spread of the time a task takes keeps a slow flood behind whoever comes later, but for one minute of it', async (t) => {
  const taskMs = 5_000;
  const rank = ranks(setup(t, { limits: { spreadMs: taskMs } }));
  const flood: number[] = [];
  for (let i = 0; i < 300; i++) flood.push(await rank({ runAt: AHEAD, owner: 'flood' }));
  for (const laterMs of [5_000, 2 * MINUTE, 10 * MINUTE, 20 * MINUTE]) {
    const quiet = await rank({ runAt: AHEAD + laterMs });
    const ahead = flood.filter((value) => value <= quiet).length - Math.floor(laterMs / taskMs);
    assert.ok(ahead <= MINUTE / taskMs, `${ahead} tasks of the flood before who comes after ${laterMs} ms`);
  }
});

test('a rank stays within what BullMQ takes', async (t) => {
  const rank = ranks(setup(t));
  assert.equal(await rank({ headStartMs: 9e12 }), 1);
  assert.equal(await rank({ runAt: 9e12 }), 2_097_151);
});

test('a task is due at its start time, or after its delay by Redis TIME, and never before its creation', async (t) => {
  const { tasks, newTask, create, record } = setup(t);
  const delayed = await tasks.create(newTask({ delayMs: 5_000 }));
  assert.equal(delayed.verdict, 'created');
  assert.equal(delayed.dueAt, delayed.createdAt + 5_000);
  const past = await tasks.create(newTask({ runAt: 1_000 }));
  assert.equal(past.verdict, 'created');
  assert.equal(past.dueAt, past.createdAt);
  assert.equal((await record(await create({ runAt: AHEAD }))).run_at, String(AHEAD));
  assert.equal((await record(await create())).run_at, undefined);
});
