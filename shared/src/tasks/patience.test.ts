/** A model server that is away costs no failure, as long as the patience of the task lasts. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { silentLog } from '../../../scripts/testing/task-redis.ts';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { TaskError } from '../errors.ts';
import { defineJobType } from '../job-type.ts';
import { createProviders } from '../models/create-providers.ts';
import { runTask } from './run-task.ts';
import { submitTask } from './submit-task.ts';

const setupRelay = taskRelay();
const PATIENCE_MS = 600_000;

/** A task whose attempts end as `next` says; `run` runs one and gives how long the task sleeps then, in ms. */
async function setup(t: TestContext, given: { patienceMs?: number; env?: Record<string, string> } = {}) {
  const at = setupRelay(t);
  const env = { PROVIDER_PATIENCE_MS: String(PATIENCE_MS), RETRY_BASE_MS: '1000', ...given.env };
  const { deps: wired, config } = await at.program('relay', env);
  let next: TaskError | null = null;
  const type = defineJobType({
    ...{ name: 'asks', concurrency: 1, attempts: 3, timeoutMs: 60_000, input: z.object({}) },
    output: z.object({}),
    async run() {
      if (next) throw next;
      return {};
    },
  });
  const deps = { ...wired, catalog: new Map([[type.name, type]]) };
  const providers = await createProviders({ ...config, OLLAMA_HOST: 'off' }, silentLog);
  const { id } = await submitTask(deps, {
    ...{ owner: 'anna', spread: false, type, input: '{}', value: {}, inputPath: [], given: {}, requestId: 'request-1' },
    ...{ idempotencyKey: undefined, traceparent: undefined },
    options: {
      ...{ priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 3, runAt: 0, delayMs: 0, startBy: undefined },
      patienceMs: given.patienceMs,
    },
  });
  const field = (name: string, value: number) => at.redis.hset(at.keys.task(0, id), name, value);
  async function run(error: TaskError | null) {
    next = error;
    await field('due_at', 0);
    const signal = new AbortController().signal;
    const { until } = await runTask(
      { ...deps, providers },
      { taskId: id, type: type.name, signal, fence: randomUUID() },
    );
    if (until === undefined) return undefined;
    // Both of Redis's clock: this process only estimates it.
    const { due_at, queued_at } = await at.record(id);
    return Number(due_at) - Number(queued_at);
  }
  const state = async () => {
    const { status, failures = '0', waits = '0', away_since } = await at.record(id);
    return { status, failures: Number(failures), waits: Number(waits), away: away_since !== undefined };
  };
  return { ...at, id, deps, run, state, field };
}

const away = (retryAfterMs?: number) => new TaskError('provider_busy', 'away', { away: true, retryAfterMs });
const stalls = () => new TaskError('provider_busy', 'it sent nothing');

test('a server that is away spends no failure: the task waits, ever longer up to a minute, and says why and until when', async (t) => {
  const { run, state, events, counts, id } = await setup(t);
  const before = await counts();
  for (let waits = 0; waits < 12; waits++) {
    assert.deepEqual(await counts(), waits === 0 ? before : { ...before });
    const sleepMs = (await run(away())) ?? 0;
    const ceiling = Math.min(60_000, 1_000 * 2 ** waits);
    assert.ok(sleepMs >= ceiling / 2 && sleepMs <= ceiling, `${sleepMs} of ${ceiling}`);
    assert.deepEqual(await state(), { status: 'queued', failures: 0, waits: waits + 1, away: true });
  }
  const told = (await events(id)).at(-1);
  assert.deepEqual([told?.type, told?.data.reason, told?.data.discard], ['waiting', 'provider_away', true]);
  assert.ok(Number.isFinite(Date.parse(told?.data.until)));
  assert.equal(await run(null), undefined);
  assert.deepEqual((await state()).status, 'completed');
});

test('a server that asks for a time gets it, and one that asks for more than the patience that is left is a failure', async (t) => {
  const { run, state } = await setup(t);
  assert.ok(((await run(away(90_000))) ?? 0) >= 90_000);
  assert.deepEqual(await state(), { status: 'queued', failures: 0, waits: 1, away: true });
  await run(away(PATIENCE_MS + 1));
  assert.deepEqual(await state(), { status: 'queued', failures: 1, waits: 0, away: false });
});

test('when the patience is over each try is a failure, until the task has failed', async (t) => {
  const { run, state, field, now } = await setup(t);
  await run(away());
  const over = Math.floor(await now()) - PATIENCE_MS;
  await field('away_since', over);
  await run(away());
  assert.deepEqual(await state(), { status: 'queued', failures: 1, waits: 0, away: false });
  for (const failures of [2, 3]) {
    await run(away());
    await field('away_since', over);
    await run(away());
    assert.equal((await state()).failures, failures);
  }
  assert.equal((await state()).status, 'failed');
});

test('any other ending begins the patience anew, and what is no absence is a failure as ever', async (t) => {
  const { run, state } = await setup(t);
  await run(away());
  await run(stalls());
  assert.deepEqual(await state(), { status: 'queued', failures: 1, waits: 0, away: false });
  await run(away());
  assert.deepEqual(await state(), { status: 'queued', failures: 1, waits: 1, away: true });
});

test('patience_ms of a task stands over the configuration, and 0 means none', async (t) => {
  const none = await setup(t, { patienceMs: 0 });
  await none.run(away());
  assert.deepEqual(await none.state(), { status: 'queued', failures: 1, waits: 0, away: false });
  const own = await setup(t, { patienceMs: 1_000, env: { PROVIDER_PATIENCE_MS: '0' } });
  await own.run(away());
  assert.deepEqual(await own.state(), { status: 'queued', failures: 0, waits: 1, away: true });
  const off = await setup(t, { env: { PROVIDER_PATIENCE_MS: '0' } });
  await off.run(away());
  assert.deepEqual(await off.state(), { status: 'queued', failures: 1, waits: 0, away: false });
});
