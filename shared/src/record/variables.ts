/** What the scripts of the task record hold to. */
import { z } from 'zod';
import { bytes, count, DAY, MINUTE, MiB, milliseconds } from '../variable.ts';

export const RecordVariables = z
  .object({
    MAX_QUEUE_TASKS: count(1, 10_000_000, 100_000).meta({
      description: 'waiting tasks per queue → 429 (exact with one partition)',
    }),
    MAX_QUEUE_BYTES: bytes(1024, 64 * 1024 * MiB, 512 * MiB).meta({
      description: 'waiting input bytes per queue → 429',
    }),
    MAX_OWNER_TASKS: count(1, 10_000_000, 100_000).meta({ description: 'waiting tasks of one owner per queue → 429' }),
    OWNER_SPREAD_MS: milliseconds(0, 60 * MINUTE, 1_000).meta({
      description:
        "rank a waiting task adds to its owner's next: about the time of a task over how many run at once; 0: no fairness",
    }),
    CANCEL_GRACE_MS: milliseconds(500, 10 * MINUTE, 10_000).meta({
      description: 'after which a cancel ends the task without its runner',
    }),
    SWEEP_FIRST_CHECK_MS: milliseconds(100, 10 * MINUTE, 5_000).meta({
      description: 'age at which an open task is first checked; doubles up to 10 min',
    }),
    MAX_STEPS_BYTES: bytes(1024, 1024 * MiB, 8 * MiB).meta({
      description: 'what all steps of a task take together, with their keys → `output_too_large`',
    }),
    MAX_MESSAGE_BYTES: bytes(1024, 16 * MiB, 256 * 1024).meta({
      description: 'content of one message to a task, as JSON → 400',
    }),
    MAX_TASK_MESSAGES: count(0, 10_000, 200).meta({
      description: 'messages that one task may be sent in all → 429',
    }),
    MAX_TASK_MESSAGES_BYTES: bytes(1024, 16 * MiB, MiB).meta({
      description: 'what all messages to one task take together → 429',
    }),
    IDEMPOTENCY_RETENTION_MS: milliseconds(1_000, 365 * DAY, DAY).meta({
      description: 'how long an `Idempotency-Key` lives at least',
    }),
  })
  .meta({ title: 'Waiting and open tasks' });
export type RecordVariables = z.output<typeof RecordVariables>;

/** The same as the scripts take them. */
export const recordLimits = (config: RecordVariables) => ({
  maxQueueTasks: config.MAX_QUEUE_TASKS,
  maxQueueBytes: config.MAX_QUEUE_BYTES,
  maxOwnerTasks: config.MAX_OWNER_TASKS,
  spreadMs: config.OWNER_SPREAD_MS,
  firstCheckMs: config.SWEEP_FIRST_CHECK_MS,
  cancelGraceMs: config.CANCEL_GRACE_MS,
  maxStepsBytes: config.MAX_STEPS_BYTES,
  maxMessages: config.MAX_TASK_MESSAGES,
  maxMessagesBytes: config.MAX_TASK_MESSAGES_BYTES,
});
