/** What one attempt may take, and how long a failed one waits. */
import { z } from 'zod';
import { bytes, DAY, MINUTE, MiB, milliseconds } from '../variable.ts';

export const TaskVariables = z
  .object({
    TASK_TIMEOUT_MS: milliseconds(100, DAY, 5 * MINUTE).meta({
      description: 'most that one attempt may take, unless a task says otherwise',
    }),
    MAX_OUTPUT_BYTES: bytes(1024, 256 * MiB, 4 * MiB).meta({ description: 'output of a task → `output_too_large`' }),
    MAX_STEP_BYTES: bytes(1024, 64 * MiB, 256 * 1024).meta({
      description: 'result of one step → `output_too_large`',
    }),
    RETRY_BASE_MS: milliseconds(1, MINUTE, 1_000).meta({
      description: 'first back-off; doubles with each failure, jittered',
    }),
    RETRY_MAX_MS: milliseconds(1, 60 * MINUTE, MINUTE).meta({
      description: "longest back-off of our own; a provider's `Retry-After` may be longer",
    }),
    PROVIDER_PATIENCE_MS: milliseconds(0, DAY, 15 * MINUTE).meta({
      description:
        'how long a task waits for a model server that is away (no connection, 429, 5xx before the first piece) without spending a failure; 0: not at all',
    }),
  })
  .meta({ title: 'Attempts' });
export type TaskVariables = z.output<typeof TaskVariables>;

/** The same as attempts take them, with how long a model may be silent. */
export const attemptLimits = (config: TaskVariables & { IDLE_TIMEOUT_MS: number }) => ({
  maxOutputBytes: config.MAX_OUTPUT_BYTES,
  maxStepBytes: config.MAX_STEP_BYTES,
  retryBaseMs: config.RETRY_BASE_MS,
  retryMaxMs: config.RETRY_MAX_MS,
  idleTimeoutMs: config.IDLE_TIMEOUT_MS,
  patienceMs: config.PROVIDER_PATIENCE_MS,
});
export type AttemptLimits = ReturnType<typeof attemptLimits>;
