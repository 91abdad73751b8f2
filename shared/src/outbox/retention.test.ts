import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';

const base = taskRelay();
const RETENTION_MS = 1_000;
/** Longer than a busy machine takes for a test. */
const LONG_MS = 600_000;
/** The relay knows Redis TIME to within half a round trip, which a busy machine makes long. */
const CLOCK_MS = 100;

function setup(t: TestContext) {
  const at = base(t);
  return {
    ...at,
    relay: (idempotencyMs: number, retentionMs = RETENTION_MS) =>
      at.relay({ IDEMPOTENCY_RETENTION_MS: String(idempotencyMs), TASK_RETENTION_MS: String(retentionMs) }),
    finished: () => at.ended({ idempotency: { hash: 'a'.repeat(64), fingerprint: 'f'.repeat(64) } }),
    idem: at.keys.idempotency(0, 'a'.repeat(64)),
  };
}

test('an ended task is kept for its retention and then leaves nothing but its idempotency key, for its own time, and that the store has its task', async (t) => {
  const { finished, relay, redis, keys, now, allKeys, idem, record } = setup(t);
  const { id, endedAt } = await finished();
  const createdAt = Number((await record(id)).created_at);
  await relay(LONG_MS);
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  assert.ok((await now()) >= endedAt + RETENTION_MS - CLOCK_MS);
  await until(async () => (await redis.exists(keys.archived(0))) === 0);
  const archived = keys.archivedIdempotency(0, 'a'.repeat(64));
  const left = [keys.outbox(0), keys.cursors(0), idem, archived, keys.lease(0), keys.meta].sort();
  assert.deepEqual(await allKeys(), left);
  assert.equal(await redis.pexpiretime(idem), createdAt + LONG_MS);
});

test('the retention begins when the store has acknowledged the task, however long ago it ended, and is not prolonged', async (t) => {
  const { finished, relay, redis, keys, now, retention, puts } = setup(t);
  const { id, endedAt } = await finished();
  await until(async () => (await now()) > endedAt + RETENTION_MS);
  const removalAt = async () => Number(await redis.zscore(keys.archived(0), id));
  await relay(LONG_MS, LONG_MS);
  await until(async () => (await removalAt()) > 0);
  const at = await removalAt();
  const [put] = puts;
  assert.ok(put && at >= put.at + LONG_MS - 1, `${at} ${put?.at}`);
  await retention.keep(0, [id], 2 * LONG_MS);
  assert.equal(await removalAt(), at);
  const soon = (await now()) + RETENTION_MS;
  await redis.zadd(keys.archived(0), 'XX', soon, id);
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  assert.ok((await now()) >= soon - CLOCK_MS);
});

test('an idempotency key lives as long as its task, also when its own time was over before', async (t) => {
  const { finished, relay, redis, keys, now, idem } = setup(t);
  const { id, endedAt } = await finished();
  await relay(1_000);
  await until(async () => (await redis.exists(idem)) === 0);
  assert.ok((await now()) >= endedAt + RETENTION_MS - CLOCK_MS);
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
});

test('an open task is kept however old it is', async (t) => {
  const { finished, running, relay, redis, keys, record } = setup(t);
  const { ref } = await running();
  const { id } = await finished();
  await relay(1_000);
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  assert.equal((await record(ref.id)).status, 'in_progress');
  assert.notEqual(await redis.exists(keys.input(0, ref.id), keys.log(0, ref.id)), 0);
});

test('the outbox is trimmed below the sink that is furthest behind, and each sink goes on where it was', async (t) => {
  const { create, outbox, redis, keys } = setup(t);
  const ids = [await create(), await create(), await create(), await create()];
  const entries = await outbox.read(0, 'one', 10);
  assert.deepEqual(
    entries.map(({ task }) => task),
    ids,
  );
  const [first, second, third] = entries;
  assert.ok(first && second && third);
  await outbox.confirm(0, 'two', first.entryId);
  await outbox.confirm(0, 'one', third.entryId);
  assert.equal(await redis.xlen(keys.outbox(0)), 4);
  await outbox.confirm(0, 'two', second.entryId);
  assert.equal(await redis.xlen(keys.outbox(0)), 3);
  assert.deepEqual(
    (await outbox.read(0, 'one', 10)).map(({ task }) => task),
    ids.slice(3),
  );
  assert.deepEqual(
    (await outbox.read(0, 'two', 10)).map(({ task }) => task),
    ids.slice(2),
  );
});

test('of two holders one has the lease until it ends or is given back', async (t) => {
  const { lease, redis, keys } = setup(t);
  assert.deepEqual(await lease.take(0, 'a', 60_000), { held: true, fresh: true });
  assert.deepEqual(await lease.take(0, 'b', 60_000), { held: false, fresh: false });
  assert.deepEqual(await lease.take(0, 'a', 60_000), { held: true, fresh: false });
  await lease.give(0, 'b');
  assert.equal(await redis.get(keys.lease(0)), 'a');
  await lease.give(0, 'a');
  assert.deepEqual(await lease.take(0, 'b', 20), { held: true, fresh: true });
  await until(async () => (await lease.take(0, 'a', 60_000)).held);
});
