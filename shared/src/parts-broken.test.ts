/** Parts that break: the kernel goes on without them, and so do the tasks of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledTask } from '../../scripts/testing/handled-task.ts';
import { until } from '../../scripts/testing/until.ts';
import type { Part } from './part.ts';

const setup = handledTask();
const part = (hooks: Partial<Part>): Part => ({ name: 'broken', ...hooks });
const never = () => new Promise<never>(() => undefined);
/** As a part does that forgot an `async`, and throws what is no error. */
const throwsAtOnce = () => {
  throw undefined;
};

test('marks may have any name, and what would be too much for a record makes no task', async (t) => {
  let mark = { ['__proto__']: 'a', '': '', 'a b\n': '한글 "\\' };
  const { read, submit, redis, keys } = await setup(t, { parts: [part({ admit: async () => mark })] });
  assert.deepEqual(Object.entries((await read()).marks), Object.entries(mark));
  mark = { ...mark, '': 'x'.repeat(20_000) };
  await assert.rejects(submit(), /20\d+ bytes/);
  assert.equal(await redis.zcard(keys.owner(0, 'anna')), 1);
});

test('a part that cannot say whether a task may run is asked again, and nothing is spent', async (t) => {
  for (const hold of [throwsAtOnce, async () => throwsAtOnce(), never]) {
    const { take, read, deps } = await setup(t, { parts: [part({ hold })] });
    const before = deps.clock.now();
    const { until: at = 0 } = await take();
    assert.ok(at >= before + 1_000 && at <= deps.clock.now() + 5_000);
    const { status, attempt, failures } = await read();
    assert.deepEqual([status, attempt, failures], ['queued', 0, 0]);
  }
});

test('a task that is held back until no time, or for ever, is looked at again within a day', async (t) => {
  for (const asked of [Number.NaN, -1, 0, 1e300, Number.POSITIVE_INFINITY]) {
    for (const reason of [undefined, 'paused']) {
      const wait = { until: asked, ...(reason ? { reason } : {}) };
      const { take, deps, read } = await setup(t, { parts: [part({ hold: async () => wait })] });
      const before = deps.clock.now();
      const { until: at = 0 } = await take();
      assert.ok(at >= before + 1_000 && at <= deps.clock.now() + 86_400_001, `${asked}: ${at - before}`);
      assert.equal((await read()).waiting, reason ?? null);
    }
  }
});

test('a runner that has lost a task, or stops, while a part holds it back begins no attempt', async (t) => {
  const stop = new AbortController();
  const hold = async () => {
    stop.abort();
    return null;
  };
  const { take, read, deps } = await setup(t, { parts: [part({ hold })] });
  const before = deps.clock.now();
  const { until: at = 0 } = await take(undefined, stop.signal);
  assert.ok(at >= before + 1_000);
  assert.deepEqual([(await read()).status, (await read()).attempt], ['queued', 0]);
});

test('what a part throws instead of a context is the error of the attempt, and its slot is free', async (t) => {
  const { run } = await setup(t, { parts: [part({ context: throwsAtOnce })] });
  const { status, failures, attempt } = await run();
  assert.deepEqual([status, failures, attempt], ['queued', 1, 1]);
});

test('a part that does not give back holds up neither the runner nor the parts behind it', async (t) => {
  const told: string[] = [];
  const behind = part({
    async left(_, { kind }) {
      told.push(kind);
    },
  });
  for (const left of [throwsAtOnce, async () => throwsAtOnce(), never]) {
    const { run } = await setup(t, { parts: [part({ left }), behind] });
    assert.equal((await run()).status, 'completed');
  }
  assert.deepEqual(told, ['completed', 'completed', 'completed']);
});

test('parts give back what an attempt had of them also when its end could not be written', async (t) => {
  const told: string[] = [];
  const gives = part({
    async left(_, outcome) {
      told.push(outcome.kind);
    },
  });
  const { take, redis, keys } = await setup(t, { parts: [gives] });
  await assert.rejects(
    take(async () => {
      await redis.set(keys.outbox(0), 'no stream');
      return {};
    }),
  );
  assert.deepEqual(told, ['stopped']);
});

test('an ended task that a part breaks on holds up no other, and is tried again later', async (t) => {
  const { ended, relay, redis, keys } = await setup(t);
  const bad = await ended();
  const good = [await ended(), await ended()];
  const made: string[] = [];
  const breaks = part({
    async ended(tasks) {
      if (tasks.some(({ record }) => record.id === bad.id)) throwsAtOnce();
      made.push(...tasks.map(({ record }) => record.id));
      return [];
    },
  });
  await relay({ SWEEP_INTERVAL_MS: '50', TASK_RETENTION_MS: '600000' }, undefined, undefined, [() => breaks]);
  await until(async () => (await redis.zscore(keys.archived(0), good[1]?.id ?? '')) !== null);
  assert.deepEqual(made.sort(), good.map(({ id }) => id).sort());
  assert.ok(await redis.zscore(keys.deferred(0), bad.id));
});
