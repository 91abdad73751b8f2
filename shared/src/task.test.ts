import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type TaskRedis, taskRedis } from '../../scripts/testing/task-redis.ts';
import type { AttemptRef } from './record/task-verdicts.ts';
import { type StoredStatus, storedStatuses, type TaskRecord, transitions } from './task.ts';
import { statusAt, taskJson } from './task-view.ts';

const setup = taskRedis();

/** A task, and the last attempt it had. */
type Made = { ref: AttemptRef; lastId: string };

/** How a task comes into each status, by the scripts alone. */
const make: Record<StoredStatus, (redis: TaskRedis) => Promise<Made>> = {
  queued: async ({ create }) => ({ ref: { id: await create(), attempt: 0, fence: '' }, lastId: '0-1' }),
  in_progress: ({ running }) => running(),
  async input_required({ running, tasks, parking }) {
    const made = await running();
    await tasks.release(made.ref, parking(made.lastId));
    return { ...made, lastId: '1-2' };
  },
  completed: (redis) => ended(redis, 'completed'),
  failed: (redis) => ended(redis, 'failed'),
  cancelled: (redis) => ended(redis, 'cancelled'),
  async expired({ create, tasks, beginOptions }) {
    const id = await create({ startBy: Date.now() - 1_000 });
    await tasks.begin(id, beginOptions());
    return { ref: { id, attempt: 0, fence: '' }, lastId: '0-2' };
  },
};

async function ended({ running, tasks, ending }: TaskRedis, status: 'completed' | 'failed' | 'cancelled') {
  const made = await running();
  await tasks.finish(made.ref, { ...ending(made.lastId), status });
  return { ...made, lastId: '1-2' };
}

/** What a step makes of an open task. A status that is not named refuses it, and the record stays as it is. */
type Step = {
  name: string;
  to: Partial<Record<StoredStatus, StoredStatus>>;
  take(redis: TaskRedis, made: Made): Promise<unknown>;
};

const sweep = (status: 'expired' | 'cancelled', to: Step['to']): Step => ({
  name: `the sweep finds it ${status}`,
  to,
  take: async ({ tasks, record }, { ref }) => {
    const seen = await record(ref.id);
    await tasks.finishOverdue(ref.id, { status: seen.status ?? '', attempt: Number(seen.attempt) }, status);
  },
});
const finish = (status: 'completed' | 'failed' | 'cancelled'): Step => ({
  name: `its attempt finishes ${status}`,
  to: { in_progress: status },
  take: ({ tasks, ending }, { ref, lastId }) => tasks.finish(ref, { ...ending(lastId), status }),
});

const steps: Step[] = [
  {
    name: 'a runner begins',
    to: { queued: 'in_progress', in_progress: 'in_progress' },
    take: ({ tasks, beginOptions }, { ref }) => tasks.begin(ref.id, beginOptions()),
  },
  {
    name: 'a runner begins a type that may not restart',
    to: { queued: 'in_progress', in_progress: 'failed' },
    take: ({ tasks, beginOptions }, { ref }) => tasks.begin(ref.id, beginOptions({ mayRestart: false })),
  },
  finish('completed'),
  finish('failed'),
  finish('cancelled'),
  {
    name: 'its attempt is released',
    to: { in_progress: 'queued' },
    take: ({ tasks, retry }, { ref, lastId }) => tasks.release(ref, retry(lastId)),
  },
  {
    name: 'its attempt asks for approval',
    to: { in_progress: 'input_required' },
    take: ({ tasks, parking }, { ref, lastId }) => tasks.release(ref, parking(lastId)),
  },
  {
    name: 'a client cancels',
    to: { queued: 'cancelled', input_required: 'cancelled', in_progress: 'in_progress' },
    take: ({ tasks }, { ref }) => tasks.cancel(ref.id, 'anna', { nonce: 'n' }),
  },
  {
    name: 'a person answers',
    to: { input_required: 'queued' },
    take: ({ tasks, reply }, { ref }) => tasks.answer(ref.id, reply()),
  },
  sweep('expired', { queued: 'expired', input_required: 'expired' }),
  sweep('cancelled', { queued: 'cancelled', in_progress: 'cancelled', input_required: 'cancelled' }),
];

for (const from of storedStatuses) {
  for (const { name, to, take } of steps) {
    const target = to[from];
    test(`${from}: when ${name}, ${target ? `it is ${target}` : 'nothing changes'}`, async (t) => {
      const redis = setup(t);
      const made = await make[from](redis);
      assert.equal((await redis.record(made.ref.id)).status, from);
      if (!target) {
        await redis.unchanged(() => take(redis, made));
        return;
      }
      await take(redis, made);
      assert.ok(transitions[from].includes(target), `${from} → ${target} is not in the table`);
      assert.equal((await redis.record(made.ref.id)).status, target);
      const types = (await redis.events(made.ref.id)).map(({ type }) => type);
      assert.equal(types.includes('done'), transitions[target].length === 0);
    });
  }
}

test('every transition of the table is taken by some step, and nothing follows an end', () => {
  for (const from of storedStatuses) {
    const taken = new Set(steps.flatMap(({ to }) => to[from] ?? []));
    assert.deepEqual([...transitions[from]].sort(), [...taken].sort(), from);
  }
});

async function read({ tasks }: TaskRedis, id: string): Promise<TaskRecord> {
  const found = await tasks.read('anna', id);
  assert.ok(found);
  return found;
}

const json = (record: TaskRecord, now = Date.now(), place?: 'listed') => JSON.parse(taskJson(record, now, place));

test('a completed task reads as the contract says', async (t) => {
  const redis = setup(t);
  const { tasks, create, begin, ending, pass } = redis;
  const id = await create({ metadata: { team: 'a' }, priority: 60 });
  await pass(20);
  const { ref, lastId } = await begin(id);
  const usage = { inputTokens: 12, outputTokens: 40, estimated: false };
  await tasks.finish(ref, { ...ending(lastId), output: '{"n":12345678901234567890,"list":[]}', usage });
  const text = taskJson(await read(redis, id), Date.now());
  assert.ok(text.includes('"output":{"n":12345678901234567890,"list":[]},"error":null'));
  const task = JSON.parse(text);
  const { created_at, started_at, ended_at, wait_ms, run_ms, output, ...rest } = task;
  for (const at of [created_at, started_at, ended_at]) assert.equal(new Date(at).toISOString(), at);
  assert.equal(wait_ms, Date.parse(started_at) - Date.parse(created_at));
  assert.equal(run_ms, Date.parse(ended_at) - Date.parse(started_at));
  assert.ok(wait_ms >= 20);
  assert.deepEqual(rest, {
    task_id: id,
    type: 'chat.request',
    status: 'completed',
    attempt: 1,
    failures: 0,
    max_attempts: 3,
    priority: 60,
    progress: null,
    error: null,
    usage: { input_tokens: 12, output_tokens: 40, total_tokens: 52 },
    metadata: { team: 'a' },
    last_event_id: '1-2',
    urls: { self: `/tasks/${id}`, events: `/tasks/${id}/events`, cancel: `/tasks/${id}/cancel` },
  });
});

test('a task that has not started has neither start nor wait nor usage, and a listed one has no output', async (t) => {
  const redis = setup(t);
  const record = await read(redis, await redis.create({ retryOf: 'task_1' }));
  const { started_at, ended_at, wait_ms, run_ms, usage, output, error, attempt, retry_of } = json(record);
  assert.deepEqual([started_at, ended_at, wait_ms, usage, output, error], [null, null, null, null, null, null]);
  assert.deepEqual([run_ms, attempt, retry_of], [0, 0, 'task_1']);
  assert.equal('output' in json(record, Date.now(), 'listed'), false);
});

test('a task is scheduled before its time and its first attempt, and its wait counts from that time', async (t: TestContext) => {
  const redis = setup(t);
  const later = Date.now() + 60_000;
  const id = await redis.create({ runAt: later });
  const waiting = await read(redis, id);
  assert.equal(json(waiting, later - 1).status, 'scheduled');
  assert.equal(json(waiting, later).status, 'queued');
  assert.equal(json(waiting).run_at, new Date(later).toISOString());
  const runAt = waiting.createdAt + 10;
  await redis.redis.hset(redis.keys.task(0, id), { run_at: runAt, due_at: runAt });
  await redis.pass(runAt + 10 - (await redis.now()));
  const { ref, lastId } = await redis.begin(id);
  const { wait_ms, started_at } = json(await read(redis, id));
  assert.ok(wait_ms >= 10);
  assert.equal(wait_ms, Date.parse(started_at) - runAt);
  await redis.tasks.release(ref, { ...redis.retry(lastId), delayMs: 60_000 });
  assert.equal(json(await read(redis, id)).status, 'queued');
});

test('statusAt is scheduled for nothing but a queued task before its first attempt that is not held back', () => {
  for (const status of storedStatuses) {
    assert.equal(
      statusAt({ status, attempt: 0, dueAt: 2, waiting: null }, 1),
      status === 'queued' ? 'scheduled' : status,
    );
    assert.equal(statusAt({ status, attempt: 1, dueAt: 2, waiting: null }, 1), status);
    assert.equal(statusAt({ status, attempt: 0, dueAt: 2, waiting: null }, 2), status);
    assert.equal(statusAt({ status, attempt: 0, dueAt: 2, waiting: 'paused' }, 1), status);
  }
});

test('only a task that waits for an answer shows its approval', async (t) => {
  const redis = setup(t);
  const { ref } = await make.input_required(redis);
  const { approval, input_required_at } = json(await read(redis, ref.id));
  assert.deepEqual(approval.arguments, { to: [] });
  assert.equal(new Date(input_required_at).toISOString(), input_required_at);
  await redis.tasks.answer(ref.id, redis.reply());
  assert.equal('approval' in json(await read(redis, ref.id)), false);
});

test('a task of another owner reads as none', async (t) => {
  const { create, tasks } = setup(t);
  const id = await create();
  assert.equal(await tasks.read('bert', id), null);
});
