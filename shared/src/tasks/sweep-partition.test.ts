import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog, TYPE, taskRedis } from '../../../scripts/testing/task-redis.ts';
import { readConfig } from '../config.ts';
import { wire } from '../wire.ts';
import { sweepPartition } from './sweep-partition.ts';

const base = taskRedis();
/** Longer than a busy machine takes to come from one step of a test to the next. */
const LIMITS = { firstCheckMs: 60_000, maxCheckMs: 600_000, cancelGraceMs: 30_000 };

async function setup(t: TestContext) {
  const at = base(t, { limits: LIMITS });
  const config = readConfig({ REDIS_URL: at.server.url, KEY_PREFIX: at.keys.prefix });
  const { deps, close } = wire(config, { program: 'relay', log: silentLog });
  t.after(close);
  await deps.clock.ready();
  const key = (name: string) => `${at.keys.prefix}:{${TYPE}}:${name}`;

  /** As a relay would at this time; by default now, by Redis TIME itself: a relay knows it only nearly. */
  async function sweep(everything = true, time?: number) {
    const now = time ?? Math.ceil(await at.now());
    return sweepPartition(
      { ...deps, clock: { ...deps.clock, now: () => now } },
      0,
      LIMITS,
      everything,
      async () => true,
    );
  }
  return {
    ...at,
    deps,
    sweep,
    /** Where the job of a task is; jobs with a priority wait in `prioritized`. */
    async job(id: string): Promise<'waiting' | 'delayed' | 'none'> {
      if ((await at.redis.zscore(key('prioritized'), id)) !== null) return 'waiting';
      return (await at.redis.zscore(key('delayed'), id)) === null ? 'none' : 'delayed';
    },
    jobRank: async (id: string) => at.redis.hget(key(id), 'priority'),
    jobs: async () => (await at.redis.zcard(key('prioritized'))) + (await at.redis.zcard(key('delayed'))),
    checkAt: async (id: string) => Number(await at.redis.zscore(at.keys.open(0), id)),
  };
}

test('a task whose job was never added gets it, with the rank it was promised', async (t) => {
  const { create, sweep, job, jobRank, record } = await setup(t);
  const id = await create({ headStartMs: 600_000 });
  assert.equal(await job(id), 'none');
  assert.equal(await sweep(), 1);
  assert.equal(await job(id), 'waiting');
  assert.equal(await jobRank(id), (await record(id)).rank);
});

test('a task before its time gets a job that sleeps until then', async (t) => {
  const { create, sweep, job } = await setup(t);
  const id = await create({ delayMs: 60_000 });
  await sweep();
  assert.equal(await job(id), 'delayed');
});

test('a running task whose job vanished gets one, so that somebody notices its loss', async (t) => {
  const { running, sweep, job } = await setup(t);
  const { ref } = await running();
  await sweep();
  assert.equal(await job(ref.id), 'waiting');
});

test('a job that sleeps beyond the time its task is due is promoted', async (t) => {
  const { running, parking, reply, tasks, deps, sweep, job, record, jobRank } = await setup(t);
  const { ref, lastId } = await running();
  await tasks.release(ref, parking(lastId));
  const { rank = '' } = await record(ref.id);
  await deps.queue.add([{ id: ref.id, type: TYPE, rank: Number(rank), delayMs: 60_000 }]);
  await sweep();
  assert.equal(await job(ref.id), 'delayed');
  await tasks.answer(ref.id, reply());
  assert.equal(await job(ref.id), 'delayed');
  await sweep();
  assert.equal(await job(ref.id), 'waiting');
  assert.equal(await jobRank(ref.id), rank);
});

test('a task that is answered while the sweep looks at it does not sleep, and leaves no job when it ends meanwhile', async (t) => {
  const { running, begin, parking, ending, reply, tasks, deps, job } = await setup(t);
  for (const ends of [false, true]) {
    const { ref, lastId } = await running();
    await tasks.release(ref, parking(lastId));
    // What happens between the sweep's look and its write, as on a busy machine.
    const queue: typeof deps.queue = {
      ...deps.queue,
      async add(entries) {
        await tasks.answer(ref.id, reply());
        if (ends) {
          const next = await begin(ref.id);
          assert.equal(await tasks.finish(next.ref, ending(next.lastId)), 'finished');
        }
        await deps.queue.add(entries.filter(({ id }) => id === ref.id));
        assert.equal(await job(ref.id), 'delayed');
      },
    };
    // Whatever this process takes for Redis TIME: the answer is not ahead of it.
    const clock = { ...deps.clock, now: () => Date.now() + deps.clock.offset() + 1_000 };
    await sweepPartition({ ...deps, queue, clock }, 0, LIMITS, true, async () => true);
    assert.equal(await job(ref.id), ends ? 'none' : 'waiting');
  }
});

test('a task that did not start in time ends as expired, and its job goes', async (t) => {
  const { create, sweep, job, record, events, now, checkAt } = await setup(t);
  const startBy = Math.floor(await now()) + 30_000;
  const id = await create({ startBy });
  await sweep();
  assert.equal(await job(id), 'waiting');
  assert.equal(await checkAt(id), startBy);
  await sweep(false, startBy + 1);
  assert.equal((await record(id)).status, 'expired');
  assert.equal(await job(id), 'none');
  await events(id);
});

test('a parked task nobody answered ends as expired, and one that resumes on that is woken', async (t) => {
  const { running, parking, tasks, deps, sweep, job, record } = await setup(t);
  const ids: string[] = [];
  for (const onExpiry of ['expire', 'resume']) {
    const { ref, lastId } = await running();
    await tasks.release(ref, parking(lastId, { expiresAt: Date.now() - 1, onExpiry }));
    await deps.queue.add([{ id: ref.id, type: TYPE, rank: 1, delayMs: 60_000 }]);
    ids.push(ref.id);
  }
  await sweep();
  const [expired = '', resumed = ''] = ids;
  assert.deepEqual([(await record(expired)).status, await job(expired)], ['expired', 'none']);
  assert.deepEqual([(await record(resumed)).status, await job(resumed)], ['input_required', 'waiting']);
});

test('a parked task is looked at once, then not before its time is over; one that was answered soon, and gets a lost job back', async (t) => {
  const { running, parking, tasks, sweep, job, checkAt, reply, now } = await setup(t);
  const { ref, lastId } = await running();
  const expiresAt = Math.ceil(await now()) + 3_600_000;
  await tasks.release(ref, parking(lastId, { expiresAt }));
  assert.equal(await sweep(), 1);
  assert.equal(await checkAt(ref.id), expiresAt);
  assert.equal(await sweep(false, expiresAt - 1), 0);
  await tasks.answer(ref.id, reply());
  const soon = await checkAt(ref.id);
  assert.ok(soon <= (await now()) + LIMITS.firstCheckMs);
  await sweep(false, soon);
  assert.equal(await job(ref.id), 'waiting');
});

test('a running task is cancelled for its runner when the grace after the mark is over, not before', async (t) => {
  const { running, tasks, sweep, record, events, checkAt } = await setup(t);
  const { ref, lastId } = await running();
  const marked = await tasks.cancel(ref.id, 'anna', { nonce: 'n' });
  assert.equal(marked.verdict, 'requested');
  await sweep();
  assert.equal((await record(ref.id)).status, 'in_progress');
  assert.equal(await checkAt(ref.id), marked.at + LIMITS.cancelGraceMs);
  await sweep(false, marked.at + LIMITS.cancelGraceMs);
  assert.equal((await record(ref.id)).status, 'cancelled');
  assert.deepEqual((await events(ref.id)).at(-1)?.data, { status: 'cancelled' });
  const late = await tasks.append(ref, lastId, [{ id: '1-2', type: 'text', data: '{"content":""}' }]);
  assert.equal(late.verdict, 'superseded');
});

test('a sweep of everything looks at each of a thousand open tasks', async (t) => {
  const { create, sweep, jobs } = await setup(t);
  await Promise.all(Array.from({ length: 1_000 }, () => create()));
  assert.equal(await sweep(false), 0);
  assert.ok((await sweep(true)) >= 1_000);
  assert.equal(await jobs(), 1_000);
});

test('a sweep of what is due looks at all of it, and at nothing again before its next check', async (t) => {
  const { create, sweep, jobs, redis, keys } = await setup(t);
  const ids = await Promise.all(Array.from({ length: 450 }, () => create()));
  await redis.zadd(keys.open(0), 'XX', ...ids.slice(0, 430).flatMap((id) => [1, id]));
  assert.equal(await sweep(false), 430);
  assert.equal(await jobs(), 430);
  assert.equal(await sweep(false), 0);
});

test('a full Redis is swept like any other: a task that has its job is not looked at again before its next check', async (t) => {
  const { create, running, tasks, sweep, jobs, redis, keys, record } = await setup(t);
  const ids = await Promise.all(Array.from({ length: 20 }, () => create()));
  const { ref } = await running();
  await sweep();
  assert.equal(await jobs(), 21);
  const marked = await tasks.cancel(ref.id, 'anna', { nonce: 'n' });
  assert.equal(marked.verdict, 'requested');
  const later = marked.at + LIMITS.cancelGraceMs;
  await redis.zadd(keys.open(0), 'XX', ...[...ids, ref.id].flatMap((id) => [1, id]));
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used >> 1));
  try {
    await assert.rejects(create(), /OOM/);
    assert.equal(await sweep(false, later), 21);
    assert.equal((await record(ref.id)).status, 'cancelled');
    assert.equal(await sweep(false, later), 0);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
  }
  assert.equal(await jobs(), 20);
});

test('the next check moves away with the age of a task, never past its deadlines', async (t) => {
  const { create, sweep, checkAt, redis, keys, now, record } = await setup(t);
  const ages = [1_000, 120_000, 3_600_000];
  const ids = await Promise.all(ages.map(() => create()));
  const startBy = Math.floor(await now()) + 30_000;
  const deadline = await create({ startBy });
  const createdAt: number[] = [];
  for (const [index, age] of ages.entries()) {
    const created = Number((await record(ids[index] ?? '')).created_at) - age;
    createdAt.push(created);
    await redis.hset(keys.task(0, ids[index] ?? ''), { created_at: created, due_at: created });
  }
  const at = Math.ceil(await now());
  await sweep(true, at);
  const [young = 0, older = 0] = createdAt;
  const expected = [young + LIMITS.firstCheckMs, at + (at - older), at + LIMITS.maxCheckMs];
  assert.deepEqual(await Promise.all(ids.map(checkAt)), expected);
  assert.equal(await checkAt(deadline), startBy);
});

test('an entry of the index without a task is removed', async (t) => {
  const { newTask, sweep, redis, keys } = await setup(t);
  await redis.zadd(keys.open(0), 1, newTask().id);
  await sweep();
  assert.equal(await redis.zcard(keys.open(0)), 0);
});

test('two sweeps at once end each task once and add each job once', async (t) => {
  const { create, running, tasks, sweep, jobs, events, record, now, moves } = await setup(t);
  const waiting = await Promise.all(Array.from({ length: 100 }, () => create()));
  const expired = await Promise.all(Array.from({ length: 100 }, () => create({ startBy: Date.now() - 1_000 })));
  const marked = await Promise.all(Array.from({ length: 100 }, async () => (await running()).ref.id));
  await Promise.all(marked.map((id) => tasks.cancel(id, 'anna', { nonce: id })));
  const later = Math.ceil(await now()) + LIMITS.cancelGraceMs;
  await Promise.all([sweep(true, later), sweep(true, later), sweep(false, later), sweep(false, later)]);
  for (const [ids, status] of [
    [waiting, 'queued'],
    [expired, 'expired'],
    [marked, 'cancelled'],
  ] as const) {
    for (const id of ids) {
      assert.equal((await record(id)).status, status);
      const done = (await events(id)).filter(({ type }) => type === 'done');
      assert.equal(done.length, status === 'queued' ? 0 : 1);
    }
  }
  assert.equal(await jobs(), 100);
  assert.equal((await moves()).filter((move) => /expired|cancelled/.test(move)).length, 200);
});
