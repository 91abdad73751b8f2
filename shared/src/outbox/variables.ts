/** How often the relay looks, and how long what it has archived stays where. */
import { z } from 'zod';
import { bytes, count, DAY, MINUTE, MiB, milliseconds } from '../variable.ts';

export const OutboxVariables = z
  .object({
    SWEEP_INTERVAL_MS: milliseconds(50, MINUTE, 1_000).meta({
      description: 'how often the relay looks for work to repair',
    }),
    TASK_RETENTION_MS: milliseconds(1_000, 365 * DAY, DAY).meta({
      description: 'how long an ended task stays in Redis after the store has it',
    }),
    STORE_RETENTION_DAYS: count(0, 36_500, 0).meta({
      unit: 'days',
      description: 'after which an ended task leaves the store (410); 0: never',
    }),
    ARCHIVE_EVENT_BYTES: bytes(0, 8 * MiB, MiB).meta({
      description: "of a task's events, kept in the store; beyond it text events are cut (`gap`)",
    }),
  })
  .meta({ title: 'Relay and retention' });
export type OutboxVariables = z.output<typeof OutboxVariables>;
