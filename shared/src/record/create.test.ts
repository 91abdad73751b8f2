import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { TYPE, taskRedis } from '../../../scripts/testing/task-redis.ts';
import { makeTaskId } from '../task-id.ts';

const setup = taskRedis();

const claim = (fingerprint = 'f'.repeat(64)) => ({ hash: 'a'.repeat(64), fingerprint });

test('a created task has its record, its queued event, its place in every index, and its input for good', async (t) => {
  const { tasks, newTask, record, events, moves, counts, redis, keys } = setup(t);
  const task = newTask({ input: '{"text":"여보세요"}', priority: 600, metadata: { a: 'b' }, traceparent: '00-1' });
  const created = await tasks.create(task);
  assert.equal(created.verdict, 'created');
  const kept = await record(task.id);
  assert.equal(kept.status, 'queued');
  assert.equal(kept.attempt, '0');
  assert.equal(kept.owner, 'anna');
  assert.equal(kept.metadata, '{"a":"b"}');
  assert.equal(kept.traceparent, '00-1');
  assert.equal(kept.input_bytes, String(Buffer.byteLength(task.input)));
  assert.equal(Number(kept.created_at), created.createdAt);
  assert.equal(Number(kept.due_at), created.dueAt);
  assert.equal(Number(kept.rank), created.rank);
  const log = await events(task.id);
  assert.deepEqual(log, [
    { id: '0-1', type: 'queued', text: `{"type":"${TYPE}","priority":600}`, data: { type: TYPE, priority: 600 } },
  ]);
  assert.deepEqual(await moves(), ['>queued']);
  assert.deepEqual(await counts(), {
    [`${TYPE}:tasks`]: '1',
    [`${TYPE}:bytes`]: kept.input_bytes,
    [`${TYPE}:owner:anna`]: '1',
  });
  assert.deepEqual(await redis.zrange(keys.owner(0, 'anna'), '0', '-1'), [task.id]);
  assert.equal(Number(await redis.zscore(keys.open(0), task.id)), created.createdAt + 5_000);
  assert.equal(await redis.pttl(keys.input(0, task.id)), -1);
  assert.equal(await tasks.readInput(task.id), task.input);
});

test('a create that is sent twice makes one task, and its input stays for good', async (t) => {
  const { tasks, newTask, twice, redis, keys } = setup(t);
  const task = newTask({ idempotency: claim() });
  const created = await twice(() => tasks.create(task));
  assert.equal(created.verdict, 'created');
  assert.equal(await redis.pttl(keys.input(0, task.id)), -1);
});

test('a create that is sent again after its task has started gets its first answer and changes nothing', async (t) => {
  const { tasks, newTask, unchanged, begin } = setup(t);
  const task = newTask();
  const created = await tasks.create(task);
  await begin(task.id);
  assert.deepEqual(await unchanged(() => tasks.create(task)), created);
});

test('a create that reaches Redis after its time is refused and leaves nothing', async (t) => {
  const { tasks, newTask, twice, allKeys } = setup(t);
  const task = newTask({ notAfter: Date.now() - 1_000, idempotency: claim() });
  assert.deepEqual(await twice(() => tasks.create(task)), { verdict: 'late' });
  assert.deepEqual(await allKeys(), []);
});

test('the same idempotency key with the same request gives the first task, and the second input goes', async (t) => {
  const { tasks, newTask, create, twice, unchanged } = setup(t);
  const id = await create({ idempotency: claim() });
  const again = newTask({ idempotency: claim() });
  const replay = await unchanged(() => twice(() => tasks.create(again)));
  assert.deepEqual(replay, { verdict: 'replay', id });
});

test('the same idempotency key with another request is a conflict, and its input goes', async (t) => {
  const { tasks, newTask, create, twice, unchanged } = setup(t);
  await create({ idempotency: claim() });
  const other = newTask({ idempotency: claim('e'.repeat(64)) });
  assert.deepEqual(await unchanged(() => twice(() => tasks.create(other))), { verdict: 'conflict' });
});

test('an ended task keeps its idempotency key', async (t) => {
  const { tasks, newTask, create } = setup(t);
  const id = await create({ idempotency: claim() });
  await tasks.cancel(id, 'anna', { nonce: randomUUID() });
  const replay = await tasks.create(newTask({ idempotency: claim() }));
  assert.deepEqual(replay, { verdict: 'replay', id });
});

test('a request that is refused does not claim its idempotency key', async (t) => {
  const { tasks, newTask, redis, keys } = setup(t, { limits: { maxQueueBytes: 10 } });
  assert.equal((await tasks.create(newTask({ idempotency: claim() }))).verdict, 'full');
  assert.equal(await redis.exists(keys.idempotency(0, claim().hash)), 0);
});

test('fifty racing creates with one key make one task and leave one input behind', async (t) => {
  const { tasks, newTask, allKeys, keys } = setup(t);
  const racers = Array.from({ length: 50 }, () =>
    newTask({ idempotency: claim(), input: `{"a":"${'x'.repeat(1e5)}"}` }),
  );
  const answers = await Promise.all(racers.map((task) => tasks.create(task)));
  const won = racers.filter((_, index) => answers[index]?.verdict === 'created').map(({ id }) => id);
  assert.equal(won.length, 1);
  const [id = ''] = won;
  for (const answer of answers) if (answer.verdict !== 'created') assert.deepEqual(answer, { verdict: 'replay', id });
  const kinds = [keys.outbox(0), keys.counts(0), keys.open(0), keys.owner(0, 'anna')];
  const own = [keys.input(0, id), keys.log(0, id), keys.task(0, id), keys.idempotency(0, claim().hash)];
  assert.deepEqual(await allKeys(), [...kinds, ...own].sort());
});

const limitCases = [
  { what: 'tasks', limits: { maxQueueTasks: 2 } },
  { what: 'bytes', limits: { maxQueueBytes: 30 } },
  { what: 'owner', limits: { maxOwnerTasks: 2 } },
];
for (const { what, limits } of limitCases) {
  test(`a create over the limit of ${what} is refused, leaves nothing, and succeeds once a task has started`, async (t) => {
    const { tasks, newTask, create, begin, twice, unchanged } = setup(t, { limits });
    const first = await create();
    await create();
    const third = newTask();
    assert.deepEqual(await unchanged(() => twice(() => tasks.create(third))), { verdict: 'full', what });
    await begin(first);
    assert.equal((await tasks.create(third)).verdict, 'created');
  });
}

test('the limit of one owner does not touch another, nor another queue', async (t) => {
  const { create } = setup(t, { limits: { maxOwnerTasks: 1 } });
  await create();
  await create({ owner: 'bert' });
  await create({ type: 'rag.query' });
});

test('a limit is shared among partitions, rounded up', async (t) => {
  const { tasks, newTask } = setup(t, { limits: { maxQueueTasks: 10 }, partitions: 4 });
  const add = async (partition: number) =>
    (await tasks.create(newTask({ id: makeTaskId(Date.now(), partition) }))).verdict;
  const verdicts = [await add(0), await add(0), await add(0), await add(0), await add(3)];
  assert.deepEqual(verdicts, ['created', 'created', 'created', 'full', 'created']);
});

test('counts come down to nothing whichever way the tasks go, and the hash goes with them', async (t) => {
  const { tasks, create, begin, ending, counts, redis, keys, beginOptions } = setup(t);
  const [finished, cancelled, withdrawn] = [await create(), await create({ owner: 'bert' }), await create()];
  const expired = await create({ startBy: Date.now() - 1_000, type: 'rag.query' });
  assert.equal((await counts())[`${TYPE}:tasks`], '3');
  await tasks.cancel(withdrawn, 'anna', { nonce: 'n1', withdraw: true });
  await tasks.cancel(cancelled, 'bert', { nonce: 'n2' });
  await tasks.begin(expired, beginOptions());
  const { ref, lastId } = await begin(finished);
  assert.equal(await redis.exists(keys.counts(0)), 0);
  await tasks.finish(ref, ending(lastId));
  assert.equal(await redis.exists(keys.counts(0)), 0);
});
