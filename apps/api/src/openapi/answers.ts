/** The bodies of the API's answers, beside those of a task. */
import { ErrorCode, FieldError } from '@beanline/shared/errors.ts';
import { ListedTask, Status, TaskId, TaskUrls } from '@beanline/shared/task-view.ts';
import { z } from 'zod';

/** RFC 9457. */
export const Problem = z
  .object({
    type: z.url().meta({ description: 'A URL that stands for the code' }),
    title: z.string().meta({ description: 'What the code means, for people' }),
    status: z.int().min(400).max(599).meta({ description: 'The HTTP status' }),
    code: ErrorCode,
    detail: z.string().meta({ description: 'What happened this time, for people' }),
    errors: z.array(FieldError).optional().meta({ description: 'Every bad field of the request' }),
    request_id: z.string().meta({ description: 'Id of the request, as in its X-Request-Id; the log has it too' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** 202 of a submit. */
export const Accepted = z
  .object({
    task_id: TaskId,
    type: z.string().meta({ description: 'Its job type' }),
    status: Status,
    created_at: z.iso.datetime().meta({ description: 'When it was accepted' }),
    message_id: z.string().optional().meta({
      description: 'With `on_busy: steer`, where no task was made: the message that this task was sent',
    }),
    urls: TaskUrls,
  })
  .meta({ id: 'Accepted' });
export type Accepted = z.infer<typeof Accepted>;

/** 202 of a cancel. */
export const CancelRequested = z
  .object({
    task_id: TaskId,
    status: z
      .enum(['cancelled', 'in_progress'])
      .meta({ description: '`in_progress` while its runner has yet to stop: the events tell when it has' }),
    cancel_requested_at: z.iso.datetime().meta({ description: 'When a client first asked to cancel it' }),
  })
  .meta({ id: 'CancelRequested' });
export type CancelRequested = z.infer<typeof CancelRequested>;

/** 202 of a message to a task. */
export const MessageAccepted = z
  .object({
    task_id: TaskId,
    message_id: z.string().meta({ description: 'Names the message in `steered`' }),
    mode: z.enum(['steer', 'follow_up']).meta({ description: 'How it was sent' }),
  })
  .meta({ id: 'MessageAccepted' });
export type MessageAccepted = z.infer<typeof MessageAccepted>;

export const TaskList = z
  .object({
    tasks: z.array(ListedTask).meta({ description: 'The tasks of this page, newest first' }),
    next_cursor: TaskId.nullable().meta({ description: 'Where the next page begins; null after the last' }),
    incomplete: z.literal(true).optional().meta({
      description: 'The store is away: tasks that have left Redis are missing',
    }),
  })
  .meta({ id: 'TaskList' });

export const Health = z
  .object({ status: z.literal('ok').meta({ description: 'Always: whoever answers is alive' }) })
  .meta({ id: 'Health' });

const CacheCounts = z.object({
  hits: z.int().min(0).meta({ description: 'It was there' }),
  misses: z.int().min(0).meta({ description: 'It was not, or Redis was away' }),
});

export const Readiness = z
  .object({
    status: z.enum(['ready', 'degraded', 'draining', 'unavailable']).meta({
      description:
        'Whether to send requests here. `degraded`: it takes them, and some queue has no runner that would do the work',
    }),
    checks: z
      .object({
        redis: z.enum(['ok', 'unreachable']).meta({ description: 'Whether Redis answers' }),
        writes: z
          .enum(['ok', 'full', 'refused', 'unreachable'])
          .meta({ description: 'Whether Redis takes what is submitted' }),
        queues: z.enum(['ok', 'full', 'unknown']).meta({ description: 'Whether every queue is below its limits' }),
        runners: z.enum(['ok', 'absent', 'unknown']).meta({ description: 'Whether every queue has a runner' }),
        relay: z.enum(['ok', 'absent', 'unknown']).meta({ description: 'Whether a relay tends every partition' }),
        store: z.enum(['ok', 'away', 'unknown']).meta({
          description: 'Whether the store answers; while it is away, ended tasks stay in Redis',
        }),
        bus: z.enum(['ok', 'behind', 'unknown']).meta({ description: 'Whether the sinks keep up with the outbox' }),
        clock: z
          .enum(['ok', 'off'])
          .meta({ description: 'Whether the clock of this machine agrees with that of Redis' }),
      })
      .meta({ description: '`redis` and `writes` decide; the others warn' }),
    queues_without_runner: z
      .array(z.string())
      .nullable()
      .meta({ description: 'The job types that no living runner takes; null when unknown' }),
    clock_offset_ms: z.int().meta({ description: 'Milliseconds that the clock of this machine lacks' }),
    bus_backlog: z
      .int()
      .min(0)
      .nullable()
      .meta({ description: 'Entries of the outbox that a sink has yet to read; null when unknown' }),
    bus_lag_ms: z
      .number()
      .min(0)
      .nullable()
      .meta({ description: 'Age of the oldest of these entries in milliseconds; null when unknown' }),
    queues: z
      .array(
        z.object({
          type: z.string().meta({ description: 'The job type' }),
          waiting: z.int().min(0).meta({ description: 'Tasks that wait' }),
          max_waiting: z.int().min(0).meta({ description: 'Above this, submits are refused' }),
          waiting_bytes: z.int().min(0).meta({ description: 'Bytes of their inputs' }),
          max_waiting_bytes: z.int().min(0).meta({ description: 'Above this, submits are refused' }),
          runners: z.int().min(0).meta({ description: 'Runners that take tasks of this type' }),
        }),
      )
      .nullable()
      .meta({ description: 'The queue of each job type; null when unknown' }),
    caches: z
      .object({
        sessions: CacheCounts.meta({
          description: 'Sessions, lists and preferences: what this process has read so far',
        }),
        answers: CacheCounts.nullable().meta({
          description: 'Answers of requests with `cache`: what all runners have looked for so far; null when unknown',
        }),
      })
      .meta({ description: 'How often the caches had what was looked for' }),
    followed_tasks: z.int().min(0).meta({ description: 'Tasks whose events readers of this API follow or wait for' }),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;
