/** Holding a queued task back, by the script `adjust`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';

const setup = taskRedis();
const HOUR_MS = 3_600_000;
const held = (dueAt: number, over: { nonce?: string; rank?: number; reason?: string } = {}) => ({
  nonce: randomUUID(),
  dueAt,
  reason: 'rate_limit',
  ...over,
});

test('a task that is held back waits, says why and until when, and has made no attempt', async (t) => {
  const { create, tasks, twice, events, now, record, beginOptions } = setup(t);
  const id = await create();
  const dueAt = Math.ceil(await now()) + HOUR_MS;
  const adjusted = held(dueAt);
  assert.deepEqual(await twice(() => tasks.adjust(id, adjusted)), { verdict: 'adjusted', dueAt });
  const told = (await events(id)).at(-1);
  assert.deepEqual([told?.id, told?.type], ['0-2', 'waiting']);
  assert.deepEqual(told?.data, { reason: 'rate_limit', until: new Date(dueAt).toISOString() });
  assert.deepEqual(await tasks.begin(id, beginOptions()), { verdict: 'later', until: dueAt });
  const { status, attempt, failures, started_at } = await record(id);
  assert.deepEqual([status, attempt, failures, started_at], ['queued', '0', '0', undefined]);
});

test('one reason is told once, however often it holds a task back, and another one is told', async (t) => {
  const { create, tasks, events, now } = setup(t);
  const id = await create();
  const dueAt = Math.ceil(await now()) + HOUR_MS;
  await tasks.adjust(id, held(dueAt));
  await tasks.adjust(id, held(dueAt + 1));
  await tasks.adjust(id, held(dueAt + 2, { reason: 'budget' }));
  const told = (await events(id)).filter(({ type }) => type === 'waiting');
  assert.deepEqual(
    told.map(({ data }) => data.reason),
    ['rate_limit', 'budget'],
  );
});

test('a task is never brought forward, and keeps its rank unless it is given another', async (t) => {
  const { create, tasks, record, now } = setup(t);
  const id = await create({ delayMs: 2 * HOUR_MS });
  const { due_at, rank } = await record(id);
  const sooner = held(Math.ceil(await now()) + HOUR_MS);
  assert.deepEqual(await tasks.adjust(id, sooner), { verdict: 'adjusted', dueAt: Number(due_at) });
  assert.equal((await record(id)).rank, rank);
  await tasks.adjust(id, held(0, { rank: 7 }));
  assert.equal((await record(id)).rank, '7');
});

test('a task that waits again counts in the limits of its queue, until it starts', async (t) => {
  const { create, begin, retry, tasks, counts, now, record, redis, keys } = setup(t);
  const id = await create();
  const waiting = await counts();
  const { ref, lastId } = await begin(id);
  assert.deepEqual(await counts(), {});
  await tasks.release(ref, retry(lastId));
  assert.deepEqual(await counts(), {});
  await tasks.adjust(id, held(Math.ceil(await now()) + HOUR_MS));
  assert.deepEqual(await counts(), waiting);
  await tasks.adjust(id, held(Math.ceil(await now()) + HOUR_MS));
  assert.deepEqual(await counts(), waiting);
  await redis.hset(keys.task(0, id), 'due_at', 0);
  await begin(id);
  assert.deepEqual(await counts(), {});
  assert.equal((await record(id)).waiting, undefined);
});

test('a task that ended while it was held back gives its place in the limits back', async (t) => {
  const { create, tasks, counts, now } = setup(t);
  const id = await create();
  await tasks.adjust(id, held(Math.ceil(await now()) + HOUR_MS));
  assert.equal((await tasks.cancel(id, 'anna', { nonce: randomUUID() })).verdict, 'cancelled');
  assert.deepEqual(await counts(), {});
});

test('a task that runs, waits for a person, has ended or is unknown is not held back', async (t) => {
  const { create, begin, parking, tasks, ending, newTask, unchanged } = setup(t);
  const id = await create();
  const { ref, lastId } = await begin(id);
  assert.deepEqual(await unchanged(() => tasks.adjust(id, held(1))), { verdict: 'superseded' });
  await tasks.release(ref, parking(lastId));
  assert.deepEqual(await unchanged(() => tasks.adjust(id, held(1))), { verdict: 'superseded' });
  const ended = await begin(await create());
  await tasks.finish(ended.ref, ending(ended.lastId));
  assert.deepEqual(await unchanged(() => tasks.adjust(ended.ref.id, held(1))), { verdict: 'ended' });
  assert.deepEqual(await unchanged(() => tasks.adjust(newTask().id, held(1))), { verdict: 'ended' });
});
