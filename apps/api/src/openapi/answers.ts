/** The bodies of the API's answers, beside those of a task. */
import { ErrorCode, FieldError } from '@beanline/shared/errors.ts';
import { ListedTask, Status, TaskId, TaskUrls } from '@beanline/shared/task-view.ts';
import { z } from 'zod';

/** RFC 9457. */
export const Problem = z
  .object({
    type: z.url(),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: ErrorCode,
    detail: z.string(),
    errors: z.array(FieldError).optional().meta({ description: 'Every bad field of the request' }),
    request_id: z.string(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** 202 of a submit. */
export const Accepted = z
  .object({ task_id: TaskId, type: z.string(), status: Status, created_at: z.iso.datetime(), urls: TaskUrls })
  .meta({ id: 'Accepted' });
export type Accepted = z.infer<typeof Accepted>;

/** 202 of a cancel. */
export const CancelRequested = z
  .object({
    task_id: TaskId,
    status: z.enum(['cancelled', 'in_progress']),
    cancel_requested_at: z.iso.datetime(),
  })
  .meta({ id: 'CancelRequested' });
export type CancelRequested = z.infer<typeof CancelRequested>;

export const TaskList = z
  .object({
    tasks: z.array(ListedTask),
    next_cursor: TaskId.nullable().meta({ description: 'Where the next page begins; null after the last' }),
  })
  .meta({ id: 'TaskList' });

export const Health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

export const Readiness = z
  .object({
    status: z.enum(['ready', 'draining', 'unavailable']),
    checks: z.object({
      redis: z.enum(['ok', 'unreachable']),
      writes: z.enum(['ok', 'full', 'refused', 'unreachable']),
      queues: z.enum(['ok', 'full', 'unknown']),
      runners: z.enum(['ok', 'absent', 'unknown']),
      relay: z.enum(['ok', 'absent', 'unknown']),
      bus: z.enum(['ok', 'behind', 'unknown']),
      clock: z.enum(['ok', 'off']),
    }),
    clock_offset_ms: z.int(),
    bus_backlog: z.int().min(0).nullable(),
    bus_lag_ms: z.number().min(0).nullable(),
    queues: z
      .array(
        z.object({
          type: z.string(),
          waiting: z.int().min(0),
          max_waiting: z.int().min(0),
          waiting_bytes: z.int().min(0),
          max_waiting_bytes: z.int().min(0),
          runners: z.int().min(0),
        }),
      )
      .nullable(),
    followed_tasks: z.int().min(0),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;

export const Index = z
  .object({ name: z.string(), version: z.string(), docs: z.string(), openapi: z.string(), health: z.string() })
  .meta({ id: 'Index' });
export type Index = z.infer<typeof Index>;
