/** The script of steps: what an attempt has done for good. */
import type { StepEffect } from '../context.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { placeOf } from './inbox-scripts.ts';
import { type Run, usageArgs } from './scripts.ts';
import type { TaskKeys } from './task-keys.ts';
import type { AttemptRef, AttemptUsage, FinishedStep, StepDone, StepVerdict } from './task-verdicts.ts';

/** `state|attempt|fence|at|result`. */
const FINISHED = /^done\|(\d+)\|[^|]*\|\d+\|(.*)$/s;

export function createStepScripts(
  redis: RedisConnection,
  run: Run,
  { taskKeys, limits }: { taskKeys: TaskKeys; limits: { maxStepsBytes: number } },
) {
  async function step(
    ref: AttemptRef,
    what: 'begin' | 'finish',
    { key, effect, result = '', usage }: { key: string; effect: StepEffect; result?: string; usage?: AttemptUsage },
  ) {
    const { common, steps, inbox } = taskKeys(ref.id);
    const args = [ref.id, ref.attempt, ref.fence, what, key, effect, result, ...usageArgs(usage)];
    return run('step', [...common, steps, inbox], [...args, limits.maxStepsBytes, placeOf(key)]);
  }

  return {
    /** Notes that a step with an effect is about to have it. `full`: the steps of the task take too much, and it must not begin. */
    async beginStep(ref: AttemptRef, key: string, effect: StepEffect): Promise<StepVerdict> {
      const [verdict, attempt, result] = await step(ref, 'begin', { key, effect });
      if (verdict === 'done') return { verdict, attempt: Number(attempt), result: String(result) };
      return { verdict: verdict as 'run' | 'unknown' | 'full' | 'cancelled' | 'superseded' };
    },

    /**
     * Keeps what came of a step (JSON text), with what it used. A step that is kept already stays as it is. `full`: the steps
     * of the task would take too much together; nothing is kept.
     */
    async finishStep(
      ref: AttemptRef,
      done: { key: string; effect: StepEffect; result: string; usage: AttemptUsage },
    ): Promise<StepDone> {
      const [verdict, , , steers] = await step(ref, 'finish', done);
      return verdict === 'done' ? { verdict, steers: Number(steers) } : { verdict: verdict as 'full' | 'superseded' };
    },

    /** The finished steps of a task, by key. */
    async finishedSteps(id: string): Promise<Map<string, FinishedStep>> {
      const all = Object.entries(await redis.hgetall(taskKeys(id).steps));
      return new Map(
        all.flatMap(([key, text]) => {
          const [, attempt, result] = FINISHED.exec(text) ?? [];
          return result === undefined ? [] : [[key, { attempt: Number(attempt), result }] as const];
        }),
      );
    },
  };
}
