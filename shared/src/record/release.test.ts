import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';

const setup = taskRedis();
const USAGE = { inputTokens: 3, outputTokens: 4, estimated: false };

test('a retry queues the task again after its delay, spends a failure and says so under its attempt', async (t) => {
  const { tasks, running, retry, twice, record, events, moves, redis, keys } = setup(t);
  const { ref, lastId } = await running();
  const entries = [{ id: '1-2', type: 'text', data: '{"content":"a"}' }];
  const options = { ...retry(lastId), entries, delayMs: 700, usage: USAGE };
  const released = await twice(() => tasks.release(ref, options));
  assert.equal(released.verdict, 'released');
  const { status, failures, due_at, queued_at, input_tokens, attempt, fence } = await record(ref.id);
  assert.deepEqual([status, failures, attempt, input_tokens, fence], ['queued', '1', '1', '3', ref.fence]);
  assert.equal(Number(due_at), released.until);
  assert.equal(Number(due_at), Number(queued_at) + 700);
  const [text, retrying] = (await events(ref.id)).slice(-2);
  assert.deepEqual([text?.id, retrying?.id, retrying?.type], ['1-2', '1-3', 'retrying']);
  assert.deepEqual(retrying?.data, options.event);
  assert.equal((await moves()).at(-1), 'in_progress>queued');
  assert.ok(Number(await redis.zscore(keys.open(0), ref.id)) <= released.until + 5_000);
});

test('a hand-back spends no failure', async (t) => {
  const { tasks, running, retry, twice, record } = setup(t);
  const { ref, lastId } = await running();
  await twice(() => tasks.release(ref, { ...retry(lastId), failure: false }));
  assert.equal((await record(ref.id)).failures, '0');
});

test('an approval parks the task until it expires and spends nothing; the check follows the expiry', async (t) => {
  const { tasks, running, parking, twice, record, events, moves, redis, keys } = setup(t);
  const { ref, lastId } = await running();
  await redis.zadd(keys.open(0), 9e12, ref.id);
  const options = parking(lastId);
  const { expiresAt, view } = options.approval;
  assert.deepEqual(await twice(() => tasks.release(ref, options)), { verdict: 'released', until: expiresAt });
  const { status, failures, due_at, approval_id, on_expiry } = await record(ref.id);
  assert.deepEqual([status, failures, due_at], ['input_required', '0', String(expiresAt)]);
  assert.deepEqual([approval_id, on_expiry], ['appr_1', 'expire']);
  assert.deepEqual((await tasks.read('anna', ref.id))?.approval, view);
  assert.deepEqual((await events(ref.id)).at(-1)?.data, view);
  assert.equal((await events(ref.id)).at(-1)?.type, 'human_approval');
  assert.equal((await moves()).at(-1), 'in_progress>input_required');
  assert.equal(Number(await redis.zscore(keys.open(0), ref.id)), expiresAt + 5_000);
});

test('a release of a task marked cancelled ends it, keeping its partial output and its usage', async (t) => {
  const { tasks, running, parking, retry, twice, record, events, redis, keys } = setup(t);
  for (const kind of [retry, parking]) {
    const { ref, lastId } = await running();
    await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
    const options = { ...kind(lastId), partial: '{"content":"half"}', usage: USAGE };
    assert.deepEqual(await twice(() => tasks.release(ref, options)), { verdict: 'ended' });
    const { status, output, failures, input_tokens } = await record(ref.id);
    assert.deepEqual([status, output, failures, input_tokens], ['cancelled', options.partial, '0', '3']);
    const types = (await events(ref.id)).map(({ type }) => type);
    assert.deepEqual(types, ['queued', 'started', 'done']);
    assert.equal(await redis.zscore(keys.open(0), ref.id), null);
  }
});

test('a release that repeats a flush whose answer was lost writes its events once', async (t) => {
  const { tasks, running, retry, events } = setup(t);
  const { ref, lastId } = await running();
  const entries = [{ id: '1-2', type: 'text', data: '{"content":"a"}' }];
  await tasks.append(ref, lastId, entries);
  await tasks.release(ref, { ...retry(lastId), entries });
  const ids = (await events(ref.id)).map(({ id }) => id);
  assert.deepEqual(ids, ['0-1', '1-1', '1-2', '1-3']);
});

test('a release ends the attempt also when the log lost events, under an id that no lost event bore', async (t) => {
  const { tasks, running, begin, retry, events } = setup(t);
  const { ref } = await running();
  const entries = [{ id: '1-8', type: 'text', data: '{"content":"a"}' }];
  assert.equal((await tasks.release(ref, { ...retry('1-7'), entries })).verdict, 'released');
  await begin(ref.id);
  const log = (await events(ref.id)).map(({ id, type }) => `${id} ${type}`);
  assert.deepEqual(log, ['0-1 queued', '1-1 started', '1-9 retrying', '2-1 started']);
});

test('a release ends the attempt also when it does not know how far the log goes', async (t) => {
  const { tasks, running, begin, retry, events } = setup(t);
  const { ref, lastId } = await running();
  const piece = (id: string) => ({ id, type: 'text', data: '{"content":"a"}' });
  await tasks.append(ref, lastId, [piece('1-2'), piece('1-3'), piece('1-4')]);
  assert.equal((await tasks.release(ref, { ...retry(lastId), entries: [piece('1-2')] })).verdict, 'released');
  await begin(ref.id);
  const log = (await events(ref.id)).map(({ id, type }) => `${id} ${type}`);
  assert.deepEqual(log.slice(-3), ['1-4 text', '1-5 retrying', '2-1 started']);
});

test('what a cancelled task has said stands: nothing it used was wasted', async (t) => {
  const { tasks, running, retry, record } = setup(t);
  const { ref, lastId } = await running();
  await tasks.cancel(ref.id, 'anna', { nonce: 'n' });
  const usage = { inputTokens: 3, outputTokens: 4, estimated: false };
  await tasks.release(ref, { ...retry(lastId), usage, partial: '{"content":"a"}' });
  const { status, input_tokens, wasted_tokens } = await record(ref.id);
  assert.deepEqual([status, input_tokens, wasted_tokens], ['cancelled', '3', undefined]);
});

test('a release that is sent again after the next attempt began changes nothing', async (t) => {
  const { tasks, running, begin, retry, unchanged } = setup(t);
  const { ref, lastId } = await running();
  const first = await tasks.release(ref, retry(lastId));
  await begin(ref.id);
  assert.deepEqual(await unchanged(() => tasks.release(ref, retry(lastId))), first);
});

test('what is released or answered is checked by the sweep as soon after its time as a new task is after its creation', async (t) => {
  const { tasks, running, parking, retry, reply, record, redis, keys } = setup(t, { limits: { firstCheckMs: 700 } });
  const checkAt = async (id: string) => Number(await redis.zscore(keys.open(0), id));
  const retried = await running();
  await redis.zadd(keys.open(0), 9e12, retried.ref.id);
  const released = await tasks.release(retried.ref, { ...retry(retried.lastId), delayMs: 300 });
  assert.ok(released.verdict === 'released');
  assert.equal(await checkAt(retried.ref.id), released.until + 700);

  const parked = await running();
  await tasks.release(parked.ref, parking(parked.lastId));
  await redis.zadd(keys.open(0), 9e12, parked.ref.id);
  const { approvalId, ...answer } = reply();
  assert.equal(await tasks.answer(parked.ref.id, { approvalId, ...answer }), 'answered');
  assert.equal(await checkAt(parked.ref.id), Number((await record(parked.ref.id)).due_at) + 700);
});
