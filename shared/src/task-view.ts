/** What a client sees of a task. */
import { z } from 'zod';
import { ErrorView } from './errors.ts';
import { EventId } from './event.ts';
import { statuses } from './task.ts';

const Time = z.iso.datetime();
const Count = z.int().min(0);

export const TaskId = z.string().meta({ id: 'TaskId', examples: ['task_1m80dvxcg008y5d70b2qj0mbs'] });
export const Status = z.enum(statuses).meta({ id: 'Status' });

/** Tokens of all attempts. `estimated` when a backend did not report them. */
export const UsageView = z
  .object({ input_tokens: Count, output_tokens: Count, total_tokens: Count, estimated: z.boolean().optional() })
  .meta({ id: 'Usage', description: 'Tokens of all attempts; null when no model was called' });
export type UsageView = z.infer<typeof UsageView>;

/** How far an attempt is, for handlers that have steps. */
export const Progress = z
  .object({
    step: z.string().optional(),
    message: z.string().optional(),
    progress: z.number().min(0).max(1).optional(),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof Progress>;

/** What waits for a person: the request of a handler, as the client sees it in `human_approval`. */
export const Approval = z
  .object({
    approval_id: z.string(),
    tool: z.string(),
    arguments: z.unknown(),
    arguments_hash: z.string().meta({ description: 'SHA-256 of the canonical JSON of the tool and its arguments' }),
    actions: z.array(z.string()),
    expires_at: Time,
  })
  .meta({ id: 'Approval' });
export type Approval = z.infer<typeof Approval>;

/** Where a task is read, followed and cancelled. */
export const TaskUrls = z.object({ self: z.string(), events: z.string(), cancel: z.string() }).meta({ id: 'TaskUrls' });

/** An entry of a list: a task without its output. */
export const ListedTask = z
  .object({
    task_id: TaskId,
    type: z.string(),
    status: Status,
    attempt: Count.meta({ description: 'Executions so far; 0 before the first' }),
    failures: Count,
    max_attempts: z.int().min(1).meta({ description: 'Bounds the failures' }),
    priority: z.int().meta({ description: 'Seconds of head start' }),
    created_at: Time,
    run_at: Time.optional(),
    queued_at: Time.optional(),
    started_at: Time.nullable(),
    input_required_at: Time.optional(),
    cancel_requested_at: Time.optional(),
    ended_at: Time.nullable(),
    wait_ms: Count.nullable().meta({ description: 'From the time it might start to its first start' }),
    run_ms: Count.meta({ description: 'Sum over the attempts; time parked for a person is left out' }),
    progress: Progress.nullable(),
    approval: Approval.optional().meta({ description: 'While the task waits for a person' }),
    error: ErrorView.nullable(),
    usage: UsageView.nullable(),
    metadata: z.record(z.string(), z.string()),
    last_event_id: EventId,
    retry_of: TaskId.optional(),
    urls: TaskUrls,
  })
  .meta({ id: 'ListedTask' });

/** `GET /tasks/<id>`. The output is that of the job type; partial for a failed or cancelled task, or null. */
export const TaskView = ListedTask.extend({ output: z.unknown() });
export type TaskView = z.infer<typeof TaskView>;
