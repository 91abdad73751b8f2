import type { Step } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { AgentRun } from './agent-run.ts';

/** The steps of the task have grown too large for another one: the run ends with what it has. */
export class RunFull extends Error {
  constructor() {
    super('the run has no room for another step');
    this.name = 'RunFull';
  }
}

/**
 * A step of a run. When what it gives is more than may be kept, the run goes on with it to its end, which is then near: another
 * attempt would do it again. Throws RunFull when there was no room to begin it.
 */
export async function runStep<Result>(run: AgentRun, key: string, step: Step<Result>): Promise<Result> {
  let isBegun = false;
  let given: { result: Result } | undefined;
  try {
    return await run.context.step(key, {
      ...step,
      async run(using) {
        isBegun = true;
        const result = await step.run(using);
        given = { result };
        return result;
      },
    });
  } catch (error) {
    if (!(error instanceof TaskError) || error.code !== 'output_too_large') throw error;
    if (!isBegun) throw new RunFull();
    // What it has told readers is more than the task may.
    if (!given) throw error;
    run.isFull = true;
    return given.result;
  }
}

/** Does what a run does until it has no room for more. */
export async function untilFull(work: () => Promise<void>): Promise<void> {
  await work().catch((error: unknown) => {
    if (!(error instanceof RunFull)) throw error;
  });
}
