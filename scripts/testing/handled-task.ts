/** One task of a test's own job type, whose attempts run what they are given, with parts of the test's own. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Context } from '@beanline/shared/context.ts';
import { defineJobType, type JobType } from '@beanline/shared/job-type.ts';
import { createProviders } from '@beanline/shared/models/create-providers.ts';
import type { Part } from '@beanline/shared/part.ts';
import { withParts } from '@beanline/shared/parts.ts';
import { runTask } from '@beanline/shared/tasks/run-task.ts';
import { submitTask } from '@beanline/shared/tasks/submit-task.ts';
import { z } from 'zod';
import { silentLog } from './task-redis.ts';
import { taskRelay } from './task-relay.ts';

type Given = {
  env?: Record<string, string>;
  parts?: Part[];
  partial?: (...args: Parameters<NonNullable<JobType['partial']>>) => Record<string, unknown> | null;
};
type Handler = (context: Context) => Promise<Record<string, unknown>>;

/** Starts the file's Redis before its first test and gives the `setup` of its tests. */
export function handledTask() {
  const setupRelay = taskRelay();

  return async function setup(t: TestContext, given: Given = {}) {
    const at = setupRelay(t);
    const { deps: wired, config } = await at.program('relay', given.env);
    let handler: Handler = async () => ({});
    const type = defineJobType({
      ...{ name: 'works', concurrency: 1, attempts: 3, timeoutMs: 60_000, input: z.object({}) },
      output: z.looseObject({}),
      run: (_, context) => handler(context),
      ...(given.partial ? { partial: given.partial } : {}),
    });
    const ofTest = (given.parts ?? []).map((part) => () => part);
    const deps = withParts({ ...wired, catalog: new Map([[type.name, type]]) }, ofTest);
    const providers = await createProviders({ ...config, OLLAMA_HOST: 'off' }, silentLog);
    const submit = () =>
      submitTask(deps, {
        ...{ owner: 'anna', spread: false, type, input: '{}', value: {}, inputPath: [], given: {} },
        ...{ idempotencyKey: undefined, traceparent: undefined, requestId: 'request-1' },
        options: {
          ...{ priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 3 },
          ...{ runAt: 0, delayMs: 0, startBy: undefined },
        },
      });
    const { id } = await submit();
    const read = async () => {
      const record = await deps.tasks.read('anna', id);
      assert.ok(record);
      return record;
    };
    /** Takes the task as a runner does that was just given its job. */
    async function take(work: Handler = async () => ({}), signal = new AbortController().signal) {
      handler = work;
      await at.redis.hset(at.keys.task(0, id), 'due_at', 0);
      return runTask({ ...deps, providers }, { taskId: id, type: type.name, signal, fence: randomUUID() });
    }
    return {
      ...at,
      id,
      deps,
      submit,
      read,
      take,
      /** One attempt, and the record then. */
      async run(work?: Handler, signal?: AbortSignal) {
        await take(work, signal);
        return read();
      },
    };
  };
}
