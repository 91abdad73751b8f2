/** What a relay asks of Redis while nothing comes, and that nothing is overlooked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';

const setup = taskRelay();
/** A busy machine takes its time. */
/** Nothing leaves Redis during a test. */
const LONG = { TASK_RETENTION_MS: '600000' };
const ROUND_MS = 50;
const LONG_ROUND_MS = 10_000;
const ROUNDS = 50;

test('a relay without work asks Redis seven things a round at most', async (t) => {
  const { ended, relay, redis, keys } = setup(t);
  const { id } = await ended();
  await relay({ ...LONG, SWEEP_INTERVAL_MS: String(ROUND_MS) });
  await until(async () => (await redis.zscore(keys.archived(0), id)) !== null);
  await until(async () => (await redis.xlen(keys.outbox(0))) <= 1);
  /** Without the probe's and our own. */
  async function calls() {
    const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_([a-z|]+):calls=(\d+)/gm);
    const all = new Map(lines.map(([, name = '', count]) => [name, Number(count)] as const));
    for (const name of ['time', 'info']) all.delete(name);
    return { all: all.values().reduce((sum, count) => sum + count, 0), leases: all.get('eval') ?? 0 };
  }
  const before = await calls();
  const startedAt = performance.now();
  let after = before;
  await until(async () => {
    after = await calls();
    return after.leases >= before.leases + ROUNDS;
  });
  // A busy machine makes fewer.
  const rounds = (performance.now() - startedAt) / ROUND_MS;
  const each = (after.all - before.all) / rounds;
  t.diagnostic(`${each.toFixed(1)} commands a round`);
  assert.ok(each <= 7, `${each} commands a round`);
});

test('what comes after a failover that lost the end of the outbox is archived, though its entries bear lower ids', async (t) => {
  const { ended, relay, redis, keys } = setup(t);
  const { id } = await ended();
  // The new master's clock is behind: so early does the end of that task come in its outbox.
  const entries = await redis.xrange(keys.outbox(0), '-', '+');
  await redis.del(keys.outbox(0));
  const { id: seen } = await ended();
  await relay(LONG);
  await until(async () => (await redis.zscore(keys.archived(0), seen)) !== null);
  // The trim is its last word on them: one that came after the failover would take what is in the new outbox.
  await until(async () => (await redis.xlen(keys.outbox(0))) <= 1);
  const failover = redis.multi().del(keys.outbox(0)).hset(keys.cursors(0), 'store', '0-0');
  for (const [entryId, fields] of entries) failover.xadd(keys.outbox(0), entryId, ...fields);
  await failover.exec();
  await until(async () => (await redis.zscore(keys.archived(0), id)) !== null);
});

test('more deferred tasks than a batch takes are all tried by a relay that comes, and soon', async (t) => {
  const { ended, relay, redis, keys, puts, putIds, now } = setup(t);
  const ids: string[] = [];
  for (let i = 0; i < 250; i++) ids.push((await ended()).id);
  await redis.del(keys.outbox(0));
  await redis.zadd(keys.deferred(0), ...ids.flatMap((id, index) => [index, id]));
  await relay({ ...LONG, SWEEP_INTERVAL_MS: String(LONG_ROUND_MS), DRAIN_MS: '0' });
  await until(async () => (await redis.zcard(keys.archived(0))) === ids.length);
  assert.deepEqual(putIds(), ids);
  const tookMs = (await now()) - (puts[0]?.at ?? 0);
  assert.ok(tookMs < LONG_ROUND_MS, `no round lies between the batches, which took ${tookMs} ms`);
  assert.equal(await redis.exists(keys.deferred(0)), 0);
});
