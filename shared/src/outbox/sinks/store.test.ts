import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRelay } from '../../../../scripts/testing/task-relay.ts';
import { until } from '../../../../scripts/testing/until.ts';
import { TaskError } from '../../errors.ts';
import { readTask } from '../../tasks/read-task.ts';

const setup = taskRelay();
/** A busy machine takes its time. */
/** Nothing leaves Redis during a test. */
const LONG = { TASK_RETENTION_MS: '600000' };
const MiB = 1024 * 1024;

test('what two relays at once archive is in the store once, each task as it was in Redis', async (t) => {
  const { ended, relay, program, redis, keys, tasks, pass } = setup(t);
  const { deps } = await program('api');
  const ids: string[] = [];
  const expected = new Map<string, unknown>();
  await Promise.all([relay(LONG), relay(LONG)]);
  let over = false;
  // The lease changes hands all the time.
  const thief = (async () => {
    while (!over) {
      await redis.del(keys.lease(0));
      await pass(20);
    }
  })();
  try {
    for (let i = 0; i < 300; i++) {
      const { id } = await ended();
      ids.push(id);
      expected.set(id, await tasks.read('anna', id));
    }
    await until(async () => (await redis.zcard(keys.archived(0))) === ids.length);
  } finally {
    over = true;
    await thief;
  }
  for (const id of ids) assert.deepEqual(await deps.store.tasks.read('anna', id, 'whole'), expected.get(id));
  const listed = await deps.store.tasks.list('anna', { limit: 1_000, before: null });
  assert.deepEqual(listed.map(({ id }) => id).sort(), [...ids].sort());
});

test('tasks come to the store in the order in which they ended, a hundred at a time, and the outbox is trimmed', async (t) => {
  const { ended, running, create, tasks, ending, relay, puts, putIds, redis, keys } = setup(t);
  const early = await running();
  const order: string[] = [];
  for (let i = 0; i < 250; i++) {
    order.push((await ended()).id);
    // What is no end lies between.
    await create();
  }
  await tasks.finish(early.ref, ending(early.lastId));
  order.push(early.ref.id);
  await relay(LONG);
  await until(async () => (await redis.xlen(keys.outbox(0))) <= 1);
  assert.deepEqual(putIds(), order);
  assert.ok(puts.every((put) => put.tasks.length <= 100) && puts.some((put) => put.tasks.length === 100));
  assert.equal(await redis.zcard(keys.archived(0)), order.length);
});

test('a batch takes eight megabytes at most, unless one task is larger', async (t) => {
  const { ended, relay, puts, putIds } = setup(t);
  const input = JSON.stringify({ text: 'x'.repeat(3 * MiB) });
  for (let i = 0; i < 6; i++) await ended({ input });
  await relay(LONG);
  await until(() => putIds().length === 6);
  for (const { tasks } of puts) {
    assert.ok(tasks.reduce((sum, task) => sum + (task.input?.length ?? 0), 0) <= 8 * MiB);
    for (const task of tasks) assert.equal(task.input, input);
  }
});

test('events count for a batch as well', async (t) => {
  const { ended, relay, puts, putIds } = setup(t);
  const text = JSON.stringify({ content: 'x'.repeat(900_000) });
  for (let i = 0; i < 40; i++) await ended({}, text);
  await relay(LONG);
  await until(() => putIds().length === 40);
  for (const { tasks } of puts) assert.ok(tasks.length <= 20, `${tasks.length} tasks of 900 kB`);
});

test('an input beyond eight megabytes is not kept, all else of its task is', async (t) => {
  const { ended, relay, program } = setup(t);
  const { id } = await ended({ input: JSON.stringify('x'.repeat(9 * MiB)) });
  const { deps } = await program('api');
  await relay(LONG);
  await until(async () => (await deps.store.tasks.read('anna', id, 'whole')) !== null);
  assert.deepEqual(await deps.store.tasks.readRequest('anna', id), { input: null, timeoutMs: 60_000 });
  assert.deepEqual(
    (await deps.store.tasks.readEvents('anna', id))?.map(({ type }) => type),
    ['queued', 'started', 'text', 'done'],
  );
});

test('a task that the store refuses stays in Redis for good, and holds up no other', async (t) => {
  const { ended, relay, redis, keys } = setup(t);
  const ids = [(await ended()).id, (await ended()).id, (await ended()).id];
  const bad = ids[1] ?? '';
  await relay({}, async (put, tasks) => {
    if (tasks.some(({ record }) => record.id === bad)) throw new TaskError('internal', 'no');
    return put(tasks);
  });
  await until(async () => (await redis.exists(...ids.map((id) => keys.task(0, id)))) === 1);
  await until(async () => (await redis.xlen(keys.outbox(0))) <= 1);
  assert.equal(await redis.exists(keys.task(0, bad), keys.log(0, bad), keys.input(0, bad)), 3);
});

test('a task whose record went with its Redis is passed over, and so is one whose end was lost', async (t) => {
  const { ended, relay, redis, keys, putIds } = setup(t);
  const gone = (await ended()).id;
  const open = (await ended()).id;
  await redis.unlink(keys.task(0, gone), keys.log(0, gone), keys.input(0, gone));
  await redis.hset(keys.task(0, open), 'status', 'in_progress');
  const last = (await ended()).id;
  await relay();
  await until(async () => (await redis.exists(keys.task(0, last))) === 0);
  assert.deepEqual(putIds(), [last]);
  assert.equal(await redis.hget(keys.task(0, open), 'status'), 'in_progress');
});

test('a full Redis is made room in: what ends is archived and removed', async (t) => {
  const { running, tasks, ending, relay, redis, keys, create } = setup(t);
  const { ref, lastId } = await running();
  const idle = await relay();
  await until(async () => (await redis.exists(keys.lease(0))) === 1);
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used >> 1));
  try {
    await assert.rejects(create(), /OOM/);
    await tasks.finish(ref, ending(lastId));
    // The lease goes from one to another also now.
    await redis.del(keys.lease(0));
    await until(async () => (await redis.exists(keys.task(0, ref.id))) === 0);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
    await idle.stop();
  }
});

test('what is past STORE_RETENTION_DAYS is purged, in batches, and nothing else', async (t) => {
  const { ended, relay, program, redis, keys } = setup(t);
  const { deps } = await program('api');
  const { id } = await ended();
  const first = await relay();
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  await first.stop();
  const task = { record: await deps.store.tasks.read('anna', id, 'whole') } as { record: { createdAt: number } };
  assert.ok(task.record);
  const old = Array.from({ length: 1_200 }, (_, index) => ({
    record: { ...task.record, id: `${id.slice(0, -4)}${String(index).padStart(4, '0')}`, endedAt: 1_000 + index },
    input: null,
    timeoutMs: 1,
    events: [],
  })) as unknown as Parameters<typeof deps.store.tasks.put>[0];
  await deps.store.tasks.put(old);
  await relay({ STORE_RETENTION_DAYS: '1' });
  await until(async () => (await deps.store.tasks.list('anna', { limit: 10, before: null })).length === 1);
  for (const { record } of [old[0], old[600], old[1_199]].filter((one) => one !== undefined)) {
    await assert.rejects(readTask(deps, 'anna', record.id), { code: 'gone' });
    await assert.rejects(readTask(deps, 'ben', record.id), { code: 'not_found' });
  }
  assert.equal((await readTask(deps, 'anna', id)).id, id);
});
