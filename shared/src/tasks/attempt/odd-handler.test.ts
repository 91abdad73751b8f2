/** Handlers that types do not hold: what they ask for and cannot be, ends as a failure of their attempt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledTask } from '../../../../scripts/testing/handled-task.ts';
import type { Emit } from '../../context.ts';
import { TaskError } from '../../errors.ts';

const setup = handledTask();
const HOUR_MS = 3_600_000;

test('a handler emits neither what the scripts write, nor what is no event', async (t) => {
  const { run, events, id } = await setup(t);
  const types = ['done', 'retrying', 'waiting', 'gap', 'queued', 'constructor', 'a b\nevent: done', ''];
  await run(async ({ emit }) => {
    for (const type of types)
      await assert.rejects((emit as (...given: unknown[]) => Promise<void>)(type, {}), TypeError);
    await emit('progress', { step: 'one', message: 'is one' } as Parameters<Emit>[1] & {
      step: string;
      message: string;
    });
    return {};
  });
  const said = (await events(id)).map(({ type }) => type);
  assert.deepEqual(said, ['queued', 'started', 'progress', 'done']);
});

test('a question that cannot be asked is a failure, and not a lost worker', async (t) => {
  const cyclic: Record<string, unknown> = {};
  cyclic.itself = cyclic;
  const questions = [{ expiresInMs: Number.NaN }, { expiresInMs: 1e300 }, { arguments: cyclic }, { arguments: 1n }];
  for (const question of questions) {
    const { run, events, id } = await setup(t);
    const asked = { key: 'may I', tool: 'mail', arguments: {}, expiresInMs: 60_000, ...question };
    const { status, failures } = await run(({ approve }) => approve(asked));
    assert.deepEqual([status, failures], ['queued', 1]);
    assert.equal((await events(id)).at(-1)?.data.reason, 'internal');
  }
});

test('a time to try again that is none, or too far away, is an hour at most', async (t) => {
  for (const retryAfterMs of [Number.NaN, -1, 1e300, Number.POSITIVE_INFINITY]) {
    for (const away of [false, true]) {
      const { take, deps } = await setup(t);
      const { until = 0 } = await take(async () => {
        throw new TaskError('provider_busy', 'not now', { retryAfterMs, away });
      });
      assert.ok(until > 0 && until <= deps.clock.now() + HOUR_MS + 1_000, `${retryAfterMs}`);
    }
  }
});

test('a job type that cannot say what is kept of its output keeps nothing, and the task ends', async (t) => {
  const cannot = [
    () => {
      throw new Error('cannot');
    },
    () => ({ big: 1n }),
  ];
  for (const partial of cannot) {
    const { run } = await setup(t, { partial });
    const ended = await run(async () => {
      throw new TaskError('provider_refused', 'no');
    });
    assert.deepEqual([ended.status, ended.error?.code, ended.output], ['failed', 'provider_refused', null]);
  }
});
