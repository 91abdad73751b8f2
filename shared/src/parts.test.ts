/** A part of a test's own, on every point of a task's life, and what the kernel makes of its answers. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { silentLog } from '../../scripts/testing/task-redis.ts';
import { taskRelay } from '../../scripts/testing/task-relay.ts';
import { until } from '../../scripts/testing/until.ts';
import type { Deps } from './deps.ts';
import { TaskError } from './errors.ts';
import { defineJobType } from './job-type.ts';
import { createProviders } from './models/create-providers.ts';
import type { Part } from './part.ts';
import { withParts } from './parts.ts';
import { runTask } from './tasks/run-task.ts';
import { type SubmitRequest, submitTask } from './tasks/submit-task.ts';
import { wakeTask } from './tasks/wake-task.ts';

const setupRelay = taskRelay();

declare module './context.ts' {
  interface Context {
    /** Of the part below. */
    shout?: (text: string) => string;
  }
}

const Said = z.object({ said: z.string() });
const echo = defineJobType({
  ...{ name: 'echo', concurrency: 1, attempts: 2, timeoutMs: 60_000 },
  ...{ input: z.object({ text: z.string() }), output: Said },
  async run({ text }, { shout }) {
    if (text === 'fail') throw new TaskError('provider_refused', 'no');
    return { said: shout?.(text) ?? text };
  },
});

async function setup(t: TestContext, part: Partial<Part>) {
  const at = setupRelay(t);
  const { deps: wired, config } = await at.program('relay');
  const deps = withParts({ ...wired, catalog: new Map([[echo.name, echo]]) }, [() => ({ name: 'test', ...part })]);
  const providers = await createProviders({ ...config, OLLAMA_HOST: 'off' }, silentLog);
  const submit = (text: string, over: Partial<SubmitRequest> = {}) =>
    submitTask(deps, {
      owner: 'anna',
      spread: false,
      type: echo,
      input: JSON.stringify({ text }),
      value: { text },
      inputPath: [],
      options: {
        priority: 0,
        metadata: {},
        timeoutMs: 60_000,
        maxAttempts: 2,
        runAt: 0,
        delayMs: 0,
        startBy: undefined,
      },
      given: {},
      idempotencyKey: undefined,
      requestId: 'request-1',
      traceparent: undefined,
      ...over,
    });
  const run = (taskId: string, of: Deps = deps) =>
    runTask(
      { ...of, providers },
      { taskId, type: echo.name, signal: new AbortController().signal, fence: randomUUID() },
    );
  const read = async (id: string) => {
    const record = await deps.tasks.read('anna', id);
    assert.ok(record);
    return record;
  };
  return { ...at, deps, submit, run, read };
}

test('the marks of a part come back to every hook, to the store, and to the retry of the task', async (t) => {
  const seen: Record<string, unknown> = {};
  const retried: (string | undefined)[] = [];
  const { submit, run, read } = await setup(t, {
    async admit({ owner, input }, retryOf) {
      retried.push(retryOf?.marks.of);
      return { of: `${owner} ${JSON.stringify(input)}` };
    },
    async begin({ marks }, input) {
      seen.begin = [marks.of, input];
    },
    context({ marks }) {
      return { shout: (text) => `${text}! ${marks.of}` };
    },
    async left({ marks }, outcome) {
      seen.left = [marks.of, outcome.kind];
    },
  });
  const { id } = await submit('hi');
  assert.deepEqual(await run(id), {});
  const of = 'anna {"text":"hi"}';
  assert.deepEqual(seen, { begin: [of, { text: 'hi' }], left: [of, 'completed'] });
  const record = await read(id);
  assert.deepEqual(JSON.parse(record.output ?? ''), { said: `hi! ${of}` });
  assert.deepEqual(record.marks, { of });
  await submit('hi', { retryOf: record });
  assert.deepEqual(retried, [undefined, of]);
});

test('what a part refuses makes no task, unless its Idempotency-Key has one', async (t) => {
  let open = true;
  const { submit, redis, keys } = await setup(t, {
    async admit() {
      if (open) return {};
      throw new TaskError('forbidden', 'closed');
    },
  });
  const { id } = await submit('hi', { idempotencyKey: 'one' });
  open = false;
  await assert.rejects(submit('hi'), { code: 'forbidden' });
  await assert.rejects(submit('hi', { idempotencyKey: 'two' }), { code: 'forbidden' });
  assert.deepEqual(await submit('hi', { idempotencyKey: 'one' }), { id, replayed: true });
  assert.equal(await redis.zcard(keys.owner(0, 'anna')), 1);
});

test('a part that has admitted a submit is told whether its task was created', async (t) => {
  const told: [id: string, mark: string | undefined, created: boolean][] = [];
  let open = true;
  const { submit, redis, keys } = await setup(t, {
    async admit({ id, isScheduled }) {
      if (!open) throw new TaskError('forbidden', 'closed');
      return { of: `${id} ${isScheduled}` };
    },
    async submitted({ id }, marks, created) {
      told.push([id, marks.of, created]);
      throw new Error('nobody may be harmed by this');
    },
  });
  const once = { idempotencyKey: 'one' };
  const { id } = await submit('hi', once);
  assert.deepEqual(told, [[id, `${id} false`, true]]);
  assert.deepEqual(await submit('hi', once), { id, replayed: true });
  const [, [other, mark, created] = []] = told;
  assert.deepEqual([mark, created], [`${other} false`, false]);
  assert.notEqual(other, id);
  open = false;
  await assert.rejects(submit('hi'), { code: 'forbidden' });
  assert.equal(told.length, 2);
  assert.equal(await redis.zcard(keys.owner(0, 'anna')), 1);
});

test('what a part holds back by the marks of the task it wakes again', async (t) => {
  let isClosed = true;
  const { submit, run, read, deps } = await setup(t, {
    admit: async () => ({ of: 'this' }),
    async hold({ marks }) {
      const isMine = (await marks()).of === 'this';
      return isMine && isClosed ? { until: deps.clock.now() + 60_000, reason: 'paused' } : null;
    },
  });
  const { id } = await submit('hi');
  await run(id);
  isClosed = false;
  assert.ok((await run(id)).until);
  assert.equal((await read(id)).attempt, 0);
  await wakeTask(deps, id, 'paused');
  await run(id);
  assert.equal((await read(id)).status, 'completed');
});

test('a task that a part holds back makes no attempt, tells why, and runs when nothing holds it any more', async (t) => {
  let until = 0;
  const { submit, run, read, deps, events, redis, keys } = await setup(t, {
    hold: async () => (until > 0 ? { until, reason: 'paused' } : null),
  });
  const { id } = await submit('hi');
  until = deps.clock.now() + 60_000;
  assert.deepEqual(await run(id), { until, dueAt: until });
  const held = await read(id);
  assert.deepEqual([held.status, held.attempt, held.waiting, held.dueAt], ['queued', 0, 'paused', until]);
  assert.deepEqual((await events(id)).at(-1)?.data, { reason: 'paused', until: new Date(until).toISOString() });
  until = 0;
  await redis.hset(keys.task(0, id), 'due_at', 0);
  await run(id);
  const ended = await read(id);
  assert.deepEqual([ended.status, ended.attempt, ended.failures, ended.waiting], ['completed', 1, 0, null]);
});

test('a part that holds a task back without a reason leaves its record and its log as they are', async (t) => {
  const { submit, run, read, deps, events } = await setup(t, {
    hold: async () => ({ until: deps.clock.now() + 60_000 }),
  });
  const { id } = await submit('hi');
  const before = await read(id);
  const { until = 0, dueAt } = await run(id);
  assert.ok(until > deps.clock.now() && dueAt === undefined);
  assert.deepEqual(await read(id), before);
  assert.equal((await events(id)).length, 1);
});

test('what a part throws before the handler is the error of the attempt, and it is told how the attempt ended', async (t) => {
  const outcomes: string[] = [];
  const { submit, run, read } = await setup(t, {
    async begin(_, input) {
      if ((input as { text: string }).text === 'no') throw new TaskError('provider_refused', 'not this');
    },
    async left(_, outcome) {
      outcomes.push(outcome.kind);
      throw new Error('nobody may be harmed by this');
    },
  });
  for (const text of ['no', 'fail', 'yes']) await run((await submit(text)).id);
  assert.deepEqual(outcomes, ['failed', 'failed', 'completed']);
  const { id } = await submit('no');
  await run(id);
  assert.deepEqual((await read(id)).error, { code: 'provider_refused', message: 'not this' });
});

test('ended tasks come to a part when the store has them, and those it fails for come again', async (t) => {
  const { submit, run, relay, isEmpty, tries, read } = await endedOnce(t);
  const { id } = await submit('hi');
  await run(id);
  const { marks } = await read(id);
  await relay();
  await isEmpty();
  assert.deepEqual(tries, [
    { id, marks, stored: true },
    { id, marks, stored: true },
  ]);
});

/** A part whose `ended` fails the first time. */
async function endedOnce(t: TestContext) {
  const tries: { id: string; marks: unknown; stored: boolean }[] = [];
  const at = await setup(t, { admit: async () => ({ of: 'this' }) });
  const part = (deps: Deps): Part => ({
    name: 'once',
    async ended(tasks) {
      for (const { record } of tasks) {
        const stored = (await deps.store.tasks.read(record.owner, record.id, 'listed')) !== null;
        tries.push({ id: record.id, marks: record.marks, stored });
      }
      if (tries.length > 1) return [];
      return tasks.map(({ record }) => ({ id: record.id, what: 'it failed', error: new Error('no') }));
    },
  });
  return {
    ...at,
    tries,
    relay: () => at.relay({ TASK_RETENTION_MS: '600000' }, undefined, undefined, [part]),
    isEmpty: () => until(async () => tries.length > 1 && (await at.redis.exists(at.keys.deferred(0))) === 0),
  };
}
