import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import { makeTaskId } from '../task-id.ts';

const base = taskRedis();

function setup(t: TestContext) {
  const at = base(t);
  return {
    ...at,
    /** A task that waits for an answer to `appr_1`. */
    async parked(over: Parameters<typeof at.parking>[1] = {}) {
      const { ref, lastId } = await at.running();
      await at.tasks.release(ref, at.parking(lastId, over));
      return ref;
    },
  };
}

test('an answer is kept, told under the parked attempt, and queues the task at once; sent twice it counts once', async (t) => {
  const { tasks, parked, reply, twice, record, events, moves, redis, keys } = setup(t);
  const ref = await parked();
  const options = reply();
  assert.equal(await twice(() => tasks.answer(ref.id, options)), 'answered');
  const { status, due_at, queued_at, approval_id } = await record(ref.id);
  assert.deepEqual([status, approval_id, due_at], ['queued', undefined, queued_at]);
  const { answered_at, ...answer } = (await tasks.readAnswers(ref.id, 'appr_1')).answer ?? {};
  assert.deepEqual([answer, answered_at], [options.answer, Number(queued_at)]);
  const resumed = (await events(ref.id)).at(-1);
  assert.deepEqual([resumed?.id, resumed?.type, resumed?.data], ['1-3', 'resumed', options.resumed]);
  assert.equal((await moves()).at(-1), 'input_required>queued');
  assert.ok(Number(await redis.zscore(keys.open(0), ref.id)) <= Number(due_at) + 5_000);
});

test('of many answers one counts, and the others are a conflict that changes nothing', async (t) => {
  const { tasks, parked, reply, unchanged } = setup(t);
  const ref = await parked();
  const answers = await Promise.all(Array.from({ length: 20 }, () => tasks.answer(ref.id, reply())));
  assert.deepEqual(answers, ['answered', ...Array.from({ length: 19 }, () => 'conflict')]);
  assert.equal(await unchanged(() => tasks.answer(ref.id, reply())), 'conflict');
});

test('an answer to another approval, after the expiry, to a task that asks nothing or to none is refused', async (t) => {
  const { tasks, parked, running, reply, unchanged } = setup(t);
  const other = await parked({ id: 'appr_2' });
  assert.equal(await unchanged(() => tasks.answer(other.id, reply('appr_1'))), 'conflict');
  const late = await parked({ expiresAt: Date.now() - 1 });
  assert.equal(await unchanged(() => tasks.answer(late.id, reply())), 'conflict');
  const { ref } = await running();
  assert.equal(await unchanged(() => tasks.answer(ref.id, reply())), 'conflict');
  assert.equal(await unchanged(() => tasks.answer(makeTaskId(Date.now(), 0), reply())), 'unknown');
});

test('a second question of a task has its own answer, and the first one stays', async (t) => {
  const { tasks, parked, begin, parking, reply } = setup(t);
  const { id } = await parked();
  await tasks.answer(id, reply());
  const { ref, lastId } = await begin(id);
  await tasks.release(ref, parking(lastId, { id: 'appr_2' }));
  assert.equal(await tasks.answer(id, reply('appr_1')), 'conflict');
  assert.equal(await tasks.answer(id, reply('appr_2')), 'answered');
  for (const approval of ['appr_1', 'appr_2'])
    assert.equal((await tasks.readAnswers(id, approval)).answer?.approval_id, approval);
  const { earlier } = await tasks.readAnswers(id, 'appr_3');
  assert.deepEqual(
    earlier.map(({ approval_id }) => approval_id),
    ['appr_1', 'appr_2'],
  );
});

test('a waiting task is cancelled at once, from queued, delayed, released and parked; sent twice it ends once', async (t) => {
  const { tasks, create, running, retry, parked, twice, record, events, redis, keys } = setup(t);
  const released = await running();
  await tasks.release(released.ref, retry(released.lastId));
  const waiting = [await create(), await create({ delayMs: 60_000 }), released.ref.id, (await parked()).id];
  for (const id of waiting) {
    const nonce = randomUUID();
    const verdict = await twice(() => tasks.cancel(id, 'anna', { nonce }));
    assert.equal(verdict.verdict, 'cancelled');
    const { status, error, ended_at, cancel_requested_at } = await record(id);
    assert.deepEqual([status, error, ended_at], ['cancelled', undefined, cancel_requested_at]);
    assert.equal(Number(cancel_requested_at), verdict.at);
    assert.deepEqual((await events(id)).at(-1)?.data, { status: 'cancelled' });
    assert.equal(await redis.zscore(keys.open(0), id), null);
  }
});

test('a running task gets the mark once, whoever asks, and is checked when the grace is over', async (t) => {
  const { tasks, running, twice, unchanged, record, redis, keys } = setup(t);
  const { ref } = await running();
  await redis.zadd(keys.open(0), 9e12, ref.id);
  const first = await twice(() => tasks.cancel(ref.id, 'anna', { nonce: 'one' }));
  assert.equal(first.verdict, 'requested');
  assert.deepEqual(await unchanged(() => tasks.cancel(ref.id, 'anna', { nonce: 'two' })), first);
  const { status, cancel_requested_at } = await record(ref.id);
  assert.deepEqual([status, Number(cancel_requested_at)], ['in_progress', first.at]);
  assert.equal(Number(await redis.zscore(keys.open(0), ref.id)), first.at + 10_000);
});

test('a cancel of an ended task says so, and of an unknown one too', async (t) => {
  const { tasks, running, ending, unchanged } = setup(t);
  const { ref, lastId } = await running();
  await tasks.finish(ref, ending(lastId));
  const nonce = randomUUID();
  assert.deepEqual(await unchanged(() => tasks.cancel(ref.id, 'anna', { nonce })), { verdict: 'ended' });
  const unknown = makeTaskId(Date.now(), 0);
  assert.deepEqual(await unchanged(() => tasks.cancel(unknown, 'anna', { nonce })), { verdict: 'unknown' });
});

test('a withdrawn task leaves nothing but its entry in the outbox; sent twice it changes nothing', async (t) => {
  const { tasks, create, twice, allKeys, keys } = setup(t);
  const id = await create();
  const withdraw = () => tasks.cancel(id, 'anna', { nonce: 'n', withdraw: true });
  assert.deepEqual(await twice(withdraw), { verdict: 'withdrawn' });
  assert.deepEqual(await allKeys(), [keys.outbox(0)]);
});

test('a create that arrives after its withdrawal finds its input gone, is refused and leaves no key', async (t) => {
  const { tasks, newTask, allKeys, redis } = setup(t);
  const task = newTask({ input: JSON.stringify({ text: 'x'.repeat(20_000) }) });
  const withdraw = () => tasks.cancel(task.id, 'anna', { nonce: 'n', withdraw: true });
  // Redis knows only the cancel: the create is sent whole, behind the withdrawal that was sent after it. (A connection
  // loads all scripts once it is ready, which the first answer to a withdrawal comes after.)
  await withdraw();
  await withdraw();
  await redis.script('FLUSH');
  await withdraw();
  const [created, withdrawn] = await Promise.all([tasks.create(task), withdraw()]);
  assert.deepEqual([created, withdrawn], [{ verdict: 'no_input' }, { verdict: 'withdrawn' }]);
  assert.deepEqual(await allKeys(), []);
});

test('a withdrawal that comes after the first start cancels, and after the end changes nothing', async (t) => {
  const { tasks, running, create, record, unchanged } = setup(t);
  const withdraw = (id: string) => tasks.cancel(id, 'anna', { nonce: 'n', withdraw: true });
  const { ref } = await running();
  assert.equal((await withdraw(ref.id)).verdict, 'requested');
  assert.notEqual((await record(ref.id)).cancel_requested_at, undefined);
  const id = await create();
  await tasks.cancel(id, 'anna', { nonce: 'other' });
  assert.deepEqual(await unchanged(() => withdraw(id)), { verdict: 'ended' });
});

test('a parked task that ends without a runner keeps what was there when it was parked: cancelled, expired, or swept', async (t) => {
  const { tasks, running, parking, record, beginOptions } = setup(t);
  const partial = '{"content":"so far"}';
  const ends = {
    cancelled: (id: string) => tasks.cancel(id, 'anna', { nonce: randomUUID() }),
    expired: (id: string) => tasks.begin(id, beginOptions()),
    swept: (id: string) => tasks.finishOverdue(id, { status: 'input_required', attempt: 1 }, 'expired'),
  };
  for (const [name, end] of Object.entries(ends)) {
    const { ref, lastId } = await running();
    await tasks.release(ref, { ...parking(lastId, { expiresAt: Date.now() - 1 }), partial });
    await end(ref.id);
    const { status, output } = await record(ref.id);
    assert.deepEqual([status, output], [name === 'cancelled' ? 'cancelled' : 'expired', partial]);
  }
});

test('a cancel that answers an approval is noted with it, and one that comes too late changes nothing', async (t) => {
  const { tasks, parked, reply, twice, unchanged, record } = setup(t);
  const ref = await parked();
  const answer = { approvalId: 'appr_1', entry: { approval_id: 'appr_1', action: 'cancel', by: 'anna' } };
  const options = { nonce: randomUUID(), answer };
  assert.equal((await twice(() => tasks.cancel(ref.id, 'anna', options))).verdict, 'cancelled');
  assert.equal((await tasks.readAnswers(ref.id, 'appr_1')).answer?.action, 'cancel');
  const other = await parked();
  await tasks.answer(other.id, reply());
  const late = await unchanged(() => tasks.cancel(other.id, 'anna', { nonce: randomUUID(), answer }));
  assert.equal(late.verdict, 'conflict');
  assert.equal((await record(other.id)).status, 'queued');
  const expired = await parked({ expiresAt: Date.now() - 1 });
  const after = await unchanged(() => tasks.cancel(expired.id, 'anna', { nonce: randomUUID(), answer }));
  assert.equal(after.verdict, 'conflict');
});
