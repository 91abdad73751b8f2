import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE, taskRedis } from '../../../scripts/testing/task-redis.ts';
import { makeTaskId } from '../task-id.ts';

const setup = taskRedis();

/** How many scripts Redis has run. */
async function calls(redis: ReturnType<typeof setup>['redis']): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
}

const claim = (hash: string, fingerprint = 'f') => ({
  hash: hash.repeat(64),
  fingerprint: fingerprint.repeat(64),
});

test('creates of one moment go to Redis together, and each gets its own verdict', async (t) => {
  const { tasks, newTask, create, record, redis } = setup(t);
  const old = await create({ idempotency: claim('a') });
  const first = newTask({ idempotency: claim('b'), metadata: { number: '1' }, startBy: Date.now() + 60_000 });
  const second = newTask({ owner: 'bert', traceparent: '00-1', input: '{"big":true}' });
  const before = await calls(redis);
  const verdicts = await Promise.all(
    [
      newTask(),
      first,
      newTask({ idempotency: claim('a') }),
      newTask({ idempotency: claim('a', 'e') }),
      newTask({ notAfter: Date.now() - 1_000 }),
      newTask({ idempotency: claim('b') }),
      second,
    ].map((task) => tasks.create(task)),
  );
  assert.deepEqual(
    verdicts.map((verdict) => [verdict.verdict, 'id' in verdict ? verdict.id : '']),
    [
      ['created', ''],
      ['created', ''],
      ['replay', old],
      ['conflict', ''],
      ['late', ''],
      ['replay', first.id],
      ['created', ''],
    ],
  );
  // The first alone, the others behind it.
  assert.equal((await calls(redis)) - before, 2);
  assert.equal((await record(first.id)).metadata, '{"number":"1"}');
  assert.equal((await record(first.id)).start_by, String(first.startBy));
  const { owner, traceparent, start_by, idem_key } = await record(second.id);
  assert.deepEqual([owner, traceparent, start_by, idem_key], ['bert', '00-1', undefined, undefined]);
  assert.equal(await tasks.readInput(second.id), '{"big":true}');
});

for (const [what, limits] of [
  ['tasks', { maxQueueTasks: 3 }],
  ['bytes', { maxQueueBytes: 3 * '{"messages":[]}'.length }],
  ['owner', { maxOwnerTasks: 3 }],
] as const) {
  test(`of creates of one moment no more than the limit of ${what} are taken`, async (t) => {
    const { tasks, newTask, counts } = setup(t, { limits });
    const verdicts = await Promise.all(Array.from({ length: 9 }, () => tasks.create(newTask())));
    const [one, two, three, ...rest] = verdicts.map(({ verdict }) => verdict);
    assert.deepEqual([one, two, three], ['created', 'created', 'created']);
    assert.deepEqual(rest, Array(6).fill('full'));
    assert.equal((await counts())[`${TYPE}:tasks`], '3');
  });
}

test('a flood of one moment ranks itself behind the first of another owner', async (t) => {
  const { tasks, newTask } = setup(t);
  const owners = ['anna', 'anna', 'anna', 'bert'];
  const [first, second, third, other] = await Promise.all(owners.map((owner) => tasks.create(newTask({ owner }))));
  assert.ok(first?.verdict === 'created' && second?.verdict === 'created');
  assert.ok(third?.verdict === 'created' && other?.verdict === 'created');
  assert.ok(second.rank > other.rank && third.rank >= second.rank, `${second.rank}, ${third.rank}, ${other.rank}`);
});

test('more than one call takes are all created, each with its own events and its own counts', async (t) => {
  const { tasks, newTask, counts, events, redis } = setup(t);
  const before = await calls(redis);
  const made = Array.from({ length: 200 }, (_, number) => newTask({ owner: `owner-${number % 3}` }));
  const verdicts = await Promise.all(made.map((task) => tasks.create(task)));
  assert.ok(verdicts.every(({ verdict }) => verdict === 'created'));
  assert.ok((await calls(redis)) - before <= 9);
  for (const { id } of made)
    assert.deepEqual(
      (await events(id)).map(({ type }) => type),
      ['queued'],
    );
  const { [`${TYPE}:tasks`]: all, [`${TYPE}:owner:owner-0`]: owned, [`${TYPE}:bytes`]: bytes } = await counts();
  assert.deepEqual([all, owned, bytes], ['200', '67', String(200 * '{"messages":[]}'.length)]);
});

test('a create that nobody wants any more when its turn comes is not sent', async (t) => {
  const { tasks, newTask } = setup(t);
  const [first, second, third] = [newTask(), newTask({ wanted: () => false }), newTask({ wanted: () => true })];
  const [, refused] = await Promise.allSettled([first, second, third].map((task) => tasks.create(task)));
  assert.equal(refused?.status === 'rejected' && refused.reason.code, 'unavailable');
  const found = await Promise.all([first, second, third].map(({ id }) => tasks.read('anna', id)));
  assert.deepEqual(
    found.map((task) => task?.id),
    [first.id, undefined, third.id],
  );
});

test('an input that is put down by itself goes with its call: of one that is not sent nothing stays', async (t) => {
  const { tasks, newTask, redis, keys } = setup(t);
  const large = (wanted: boolean) => newTask({ input: JSON.stringify('여'.repeat(10_000)), wanted: () => wanted });
  const [first, second, third] = [newTask(), large(false), large(true)];
  await Promise.allSettled([first, second, third].map((task) => tasks.create(task)));
  assert.equal(await redis.exists(keys.input(0, second.id)), 0);
  assert.equal(await tasks.readInput(third.id), third.input);
  assert.equal(await redis.pttl(keys.input(0, third.id)), -1);
});

test('full calls go out beside the one that is under way, and nobody stays behind them', async (t) => {
  const { tasks, newTask, redis } = setup(t);
  const verdicts: Promise<{ verdict: string }>[] = [];
  const come = (count: number) => {
    for (let i = 0; i < count; i++) verdicts.push(tasks.create(newTask()));
  };
  const before = await calls(redis);
  // Held up, so that what is sent meanwhile is what was not waited for.
  const blocker = redis.duplicate();
  t.after(() => blocker.disconnect());
  await blocker.client('PAUSE', 100, 'ALL');
  come(1 + 5 * 32 + 3);
  // The pause ends; while the last calls are answered a few more come, one turn after the other.
  for (let turn = 0; turn < 50; turn++) {
    await Promise.race(verdicts.slice(-3));
    come(1);
  }
  for (const { verdict } of await Promise.all(verdicts)) assert.equal(verdict, 'created');
  assert.ok((await calls(redis)) - before <= 1 + 5 + 1 + 50);
});

test('when a call fails all of its tasks hear of it, and the next one is sent', async (t) => {
  const { tasks, newTask, redis } = setup(t);
  const made = () => [newTask(), newTask(), newTask()].map((task) => tasks.create(task));
  await redis.config('SET', 'maxmemory', '1');
  const refused = await Promise.allSettled(made());
  assert.deepEqual(
    refused.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
  await redis.config('SET', 'maxmemory', '0');
  for (const { verdict } of await Promise.all(made())) assert.equal(verdict, 'created');
});

test('partitions do not wait for each other', async (t) => {
  const { tasks, newTask, redis } = setup(t, { partitions: 4 });
  const before = await calls(redis);
  const ids = Array.from({ length: 12 }, (_, number) => makeTaskId(Date.now(), number % 4));
  const verdicts = await Promise.all(ids.map((id) => tasks.create(newTask({ id }))));
  assert.ok(verdicts.every(({ verdict }) => verdict === 'created'));
  // One at once and one behind it, in each.
  assert.equal((await calls(redis)) - before, 8);
});
