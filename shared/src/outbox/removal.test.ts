/** What is past its retention leaves Redis whatever becomes of the sweep: only that makes room in a full one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';

const base = taskRelay();
/** A busy machine takes its time. */

/** A hundred tasks that the store has and whose time is over, and an open one without its job. */
async function setup(t: TestContext) {
  const at = base(t);
  await at.program('api');
  const ids: string[] = [];
  for (let i = 0; i < 100; i++) ids.push((await at.ended()).id);
  await at.redis.zadd(at.keys.archived(0), ...ids.flatMap((id) => [1, id]));
  return {
    ...at,
    open: await at.create(),
    left: () => at.redis.exists(...ids.map((id) => at.keys.task(0, id))),
  };
}

test('a full Redis that takes no job of an open task is emptied all the same', async (t) => {
  const { relay, redis, keys, open, left, create } = await setup(t);
  // The relay comes when there is room, and to its work when there is none.
  await redis.set(keys.lease(0), 'another');
  await relay({ SWEEP_FIRST_CHECK_MS: '100' });
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used >> 1));
  try {
    await redis.del(keys.lease(0));
    await until(async () => (await left()) === 0);
    await assert.rejects(create(), /OOM/);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
  }
  const job = async () => (await redis.keys(`*:{chat.request}:${open}`)).length;
  await until(async () => (await job()) === 1);
});

test('a relay that comes to a full Redis archives and removes what has ended', async (t) => {
  const { relay, redis, left, ended, keys } = await setup(t);
  const { id } = await ended();
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used >> 1));
  const coming = relay();
  try {
    await until(async () => (await left()) === 0);
    await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
    await coming;
  }
});

test('a sweep that fails as a whole holds up no removal', async (t) => {
  const { relay, redis, keys, open, left } = await setup(t);
  await redis.set(keys.task(0, open), 'no record');
  await relay();
  await until(async () => (await left()) === 0);
  assert.equal(await redis.zcard(keys.open(0)), 1);
});

test('a removal that fails is tried again in the next round', async (t) => {
  const { relay, left } = await setup(t);
  const told: string[] = [];
  await relay({}, undefined, (deps) => ({
    ...deps,
    checks: {
      ...deps.checks,
      async due(...given) {
        told.push('round');
        return deps.checks.due(...given);
      },
    },
    retention: {
      ...deps.retention,
      async removeExpired(...given) {
        told.push('removal');
        if (told.indexOf('removal') === told.length - 1) throw new Error('no');
        return deps.retention.removeExpired(...given);
      },
    },
  }));
  await until(async () => (await left()) === 0);
  const removals = told.flatMap((what, index) => (what === 'removal' ? [index] : []));
  const [first = 0, second = 0] = removals;
  assert.equal(second - first, 2, `${told}`);
});
