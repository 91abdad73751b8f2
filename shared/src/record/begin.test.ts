import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { LOST, taskRedis } from '../../../scripts/testing/task-redis.ts';
import { RECORD_VERSION } from '../task.ts';
import { makeTaskId } from '../task-id.ts';

const setup = taskRedis();
const ENDED = { verdict: 'ended' };

test('unknown: a task nobody knows of is ended, and nothing is written', async (t) => {
  const { tasks, beginOptions, allKeys } = setup(t);
  assert.deepEqual(await tasks.begin(makeTaskId(Date.now(), 0), beginOptions()), ENDED);
  assert.deepEqual(await allKeys(), []);
});

for (const status of ['completed', 'failed', 'cancelled', 'expired'] as const) {
  test(`ended: a ${status} task is not begun again, and nothing changes`, async (t) => {
    const { tasks, beginOptions, running, ending, unchanged } = setup(t);
    const { ref, lastId } = await running();
    await tasks.finish(ref, { ...ending(lastId), status });
    assert.deepEqual(await unchanged(() => tasks.begin(ref.id, beginOptions())), ENDED);
  });
}

test('newer: a record of a version this runner does not know goes back by 5 s, and nothing changes', async (t) => {
  const { tasks, beginOptions, create, redis, keys, unchanged, now } = setup(t);
  const id = await create();
  await redis.hset(keys.task(0, id), 'v', RECORD_VERSION + 1);
  const before = await now();
  const begun = await unchanged(() => tasks.begin(id, beginOptions()));
  assert.equal(begun.verdict, 'newer');
  assert.ok(begun.until >= Math.floor(before) + 5_000 && begun.until <= (await now()) + 5_000);
});

test('newer: a task of a newer job-type version goes back, also when it is cancelled or lost', async (t) => {
  const { tasks, beginOptions, create, unchanged } = setup(t);
  const id = await create({ typeVersion: 2 });
  const old = () => tasks.begin(id, beginOptions({ typeVersion: 1 }));
  assert.equal((await unchanged(old)).verdict, 'newer');
  assert.equal((await tasks.begin(id, beginOptions({ typeVersion: 3 }))).verdict, 'start');
  assert.equal((await unchanged(old)).verdict, 'newer');
  await tasks.cancel(id, 'anna', { nonce: randomUUID() });
  assert.equal((await unchanged(old)).verdict, 'newer');
});

test('marked cancelled: a lost task that was to be cancelled ends here, and no failure is written', async (t) => {
  const { tasks, beginOptions, running, twice, record, events } = setup(t);
  const { ref } = await running();
  await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
  const options = beginOptions();
  assert.deepEqual(await twice(() => tasks.begin(ref.id, options)), ENDED);
  const { status, failures, error, attempt, attempt_started_at } = await record(ref.id);
  assert.deepEqual(
    [status, failures, error, attempt, attempt_started_at],
    ['cancelled', '0', undefined, '1', undefined],
  );
  const types = (await events(ref.id)).map(({ type }) => type);
  assert.deepEqual(types, ['queued', 'started', 'done']);
});

test('early: a task before its time sleeps until then, and nothing changes', async (t) => {
  const { tasks, beginOptions, newTask, unchanged } = setup(t);
  const task = newTask({ delayMs: 30_000, startBy: Date.now() - 1_000 });
  const created = await tasks.create(task);
  assert.equal(created.verdict, 'created');
  const begun = await unchanged(() => tasks.begin(task.id, beginOptions()));
  assert.deepEqual(begun, { verdict: 'later', until: created.dueAt });
});

test('early: a retry is not begun before its delay is over', async (t) => {
  const { tasks, beginOptions, running, retry, unchanged } = setup(t);
  const { ref, lastId } = await running();
  const released = await tasks.release(ref, { ...retry(lastId), delayMs: 30_000 });
  assert.equal(released.verdict, 'released');
  const begun = await unchanged(() => tasks.begin(ref.id, beginOptions()));
  assert.deepEqual(begun, { verdict: 'later', until: released.until });
});

test('start_by passed before the first attempt: the task ends as expired, without a bill', async (t) => {
  const { tasks, beginOptions, create, twice, record, events } = setup(t);
  const id = await create({ startBy: Date.now() - 1_000 });
  const options = beginOptions();
  assert.deepEqual(await twice(() => tasks.begin(id, options)), ENDED);
  const { status, attempt, error, input_tokens } = await record(id);
  assert.deepEqual([status, attempt, error, input_tokens], ['expired', '0', undefined, undefined]);
  assert.deepEqual((await events(id)).at(-1), {
    id: '0-2',
    type: 'done',
    text: '{"status":"expired"}',
    data: { status: 'expired' },
  });
});

test('start_by passed after the first attempt does not matter', async (t) => {
  const { tasks, begin, create, retry, redis, keys, now } = setup(t);
  const id = await create({ startBy: (await now()) + 60_000 });
  const { ref, lastId } = await begin(id);
  await tasks.release(ref, retry(lastId));
  await redis.hset(keys.task(0, id), 'start_by', (await now()) - 1_000);
  assert.equal((await begin(id)).ref.attempt, 2);
});

test('queued: the attempt starts, with its number, its options and its started event; sent twice it is one attempt', async (t) => {
  const { tasks, beginOptions, create, twice, record, events, moves } = setup(t);
  const id = await create({ traceparent: '00-trace', timeoutMs: 1_234, maxAttempts: 7 });
  const options = beginOptions({ fence: 'fence-1' });
  const begun = await twice(() => tasks.begin(id, options));
  assert.deepEqual(begun, {
    verdict: 'start',
    attempt: 1,
    lastId: '1-1',
    failures: 0,
    maxAttempts: 7,
    timeoutMs: 1_234,
    requestId: 'request-1',
    traceparent: '00-trace',
    owner: 'anna',
    marks: {},
    input: '{"messages":[]}',
    patienceMs: null,
    awaySince: null,
    waits: 0,
    keptAttempt: 0,
    messages: 0,
    steers: 0,
    keptOutput: null,
  });
  const { status, fence, started_at, attempt_started_at } = await record(id);
  assert.deepEqual([status, fence, started_at], ['in_progress', 'fence-1', attempt_started_at]);
  assert.deepEqual((await events(id)).at(-1)?.data, { worker: 'worker-1' });
  assert.deepEqual(await moves(), ['>queued', 'queued>in_progress']);
});

test('queued: a second attempt keeps the time of the first start and forgets its progress', async (t) => {
  const { tasks, running, begin, retry, record, pass } = setup(t);
  const { ref, lastId } = await running();
  const first = await record(ref.id);
  await tasks.append(ref, lastId, [{ id: '1-2', type: 'progress', data: '{"progress":0.5}' }]);
  assert.equal((await record(ref.id)).progress, '{"progress":0.5}');
  await tasks.release(ref, retry('1-2'));
  await pass(2);
  const again = await begin(ref.id);
  assert.deepEqual(again.lastId, '2-1');
  const second = await record(ref.id);
  assert.equal(second.started_at, first.started_at);
  assert.equal(second.progress, undefined);
  assert.notEqual(second.attempt_started_at, first.attempt_started_at);
});

test('input_required before its expiry: the task sleeps until then, and nothing changes', async (t) => {
  const { tasks, beginOptions, running, parking, unchanged } = setup(t);
  const { ref, lastId } = await running();
  const expiresAt = Date.now() + 60_000;
  await tasks.release(ref, parking(lastId, { expiresAt }));
  const begun = await unchanged(() => tasks.begin(ref.id, beginOptions()));
  assert.deepEqual(begun, { verdict: 'later', until: expiresAt });
});

test('input_required after its expiry: the task ends as expired', async (t) => {
  const { tasks, beginOptions, running, parking, twice, record, events } = setup(t);
  const { ref, lastId } = await running();
  await tasks.release(ref, parking(lastId, { expiresAt: Date.now() - 1 }));
  const options = beginOptions();
  assert.deepEqual(await twice(() => tasks.begin(ref.id, options)), ENDED);
  assert.equal((await record(ref.id)).status, 'expired');
  assert.deepEqual((await events(ref.id)).at(-1)?.data, { status: 'expired' });
});

test('input_required after its expiry, resuming on it: the answer is `expired`, told as any answer is', async (t) => {
  const { tasks, beginOptions, running, parking, reply, twice, events, moves } = setup(t);
  const { ref, lastId } = await running();
  await tasks.release(ref, parking(lastId, { expiresAt: Date.now() - 1, onExpiry: 'resume' }));
  const options = beginOptions();
  const begun = await twice(() => tasks.begin(ref.id, options));
  assert.equal(begun.verdict, 'start');
  assert.equal(begun.attempt, 2);
  const answer = { approval_id: 'appr_1', action: 'expired', by: 'deadline' };
  const { answered_at: _, ...kept } = (await tasks.readAnswers(ref.id, 'appr_1')).answer ?? {};
  assert.deepEqual(kept, answer);
  const [resumed, started] = (await events(ref.id)).slice(-2);
  assert.deepEqual([resumed?.id, resumed?.type, resumed?.data], ['1-3', 'resumed', answer]);
  assert.deepEqual([started?.id, started?.type], ['2-1', 'started']);
  assert.deepEqual((await moves()).slice(-3), [
    'in_progress>input_required',
    'input_required>queued',
    'queued>in_progress',
  ]);
  assert.equal(await tasks.answer(ref.id, reply()), 'conflict');
});

test('in_progress: a lost attempt is superseded in place, told under its own number, and spends a failure', async (t) => {
  const { tasks, beginOptions, running, twice, record, events, moves } = setup(t);
  const { ref, lastId } = await running();
  await tasks.append(ref, lastId, [{ id: '1-2', type: 'text', data: '{"content":"a"}' }]);
  const options = beginOptions();
  const begun = await twice(() => tasks.begin(ref.id, options));
  assert.equal(begun.verdict, 'start');
  assert.deepEqual([begun.attempt, begun.failures, begun.lastId], [2, 1, '2-1']);
  const [retrying, started] = (await events(ref.id)).slice(-2);
  assert.equal(retrying?.id, '1-3');
  assert.deepEqual([retrying.type, retrying.data], ['retrying', { reason: 'worker_lost', delay_ms: 0, discard: true }]);
  assert.equal(started?.type, 'started');
  assert.equal((await record(ref.id)).status, 'in_progress');
  assert.equal((await moves()).at(-1), 'in_progress>in_progress');
});

test('in_progress: a task lost as often as it may fail ends as worker_lost', async (t) => {
  const { tasks, beginOptions, running, begin, twice, record, events } = setup(t);
  const { ref } = await running({ maxAttempts: 2 });
  await begin(ref.id);
  const options = beginOptions();
  assert.deepEqual(await twice(() => tasks.begin(ref.id, options)), ENDED);
  const { status, error, failures, attempt } = await record(ref.id);
  assert.deepEqual([status, JSON.parse(error ?? ''), failures, attempt], ['failed', LOST, '2', '2']);
  const types = (await events(ref.id)).map(({ type }) => type);
  assert.deepEqual(types, ['queued', 'started', 'retrying', 'started', 'done']);
});

test('in_progress: a lost task of a type that may not restart ends at once', async (t) => {
  const { tasks, beginOptions, running, twice, record } = setup(t);
  const { ref } = await running({ maxAttempts: 5 });
  const options = beginOptions({ mayRestart: false });
  assert.deepEqual(await twice(() => tasks.begin(ref.id, options)), ENDED);
  const { status, error, attempt } = await record(ref.id);
  assert.deepEqual([status, JSON.parse(error ?? ''), attempt], ['failed', LOST, '1']);
});

test('racing runners start one attempt each time, and only the last holds the task', async (t) => {
  const { tasks, create, beginOptions, record, events } = setup(t);
  const id = await create({ maxAttempts: 100 });
  const fences = Array.from({ length: 20 }, () => randomUUID());
  const begun = await Promise.all(fences.map((fence) => tasks.begin(id, beginOptions({ fence }))));
  const attempts = begun.map((one) => (one.verdict === 'start' ? one.attempt : 0));
  assert.deepEqual(
    attempts,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.equal((await record(id)).fence, fences.at(-1));
  await events(id);
});
