/** What a client sees of a task. */
import { z } from 'zod';
import { ErrorView } from './errors.ts';
import { EventId } from './event.ts';
import { statuses } from './task.ts';

const Time = z.iso.datetime();
const Count = z.int().min(0);

export const TaskId = z
  .string()
  .meta({ id: 'TaskId', description: 'Id of a task', examples: ['task_1m80dvxcg008y5d70b2qj0mbs'] });
export const Status = z.enum(statuses).meta({ id: 'Status', description: 'Where the task is on its way' });

/** Tokens of all attempts. `estimated` when a backend did not report them. */
export const UsageView = z
  .object({
    input_tokens: Count.meta({ description: 'Tokens the model read' }),
    output_tokens: Count.meta({ description: 'Tokens the model wrote' }),
    total_tokens: Count.meta({ description: 'Both together' }),
    estimated: z.boolean().optional().meta({ description: 'True when the provider did not report them all' }),
  })
  .meta({ id: 'Usage', description: 'Tokens of all attempts' });
export type UsageView = z.infer<typeof UsageView>;

/** How far an attempt is, for handlers that have steps. */
export const Progress = z
  .object({
    step: z.string().optional().meta({ description: 'Name of the step' }),
    message: z.string().optional().meta({ description: 'What is being done, for people' }),
    progress: z.number().min(0).max(1).optional().meta({ description: 'The part that is done, from 0 to 1' }),
  })
  .meta({ id: 'Progress', description: 'How far the attempt is, of job types that have steps' });
export type Progress = z.infer<typeof Progress>;

/** What waits for a person: the request of a handler, as the client sees it in `human_approval`. */
export const Approval = z
  .object({
    approval_id: z.string().meta({ description: 'Names this question among those of the task' }),
    tool: z.string().meta({ description: 'The tool that would be used' }),
    arguments: z.unknown().meta({ description: 'What the tool would be given' }),
    arguments_hash: z.string().meta({ description: 'SHA-256 of the canonical JSON of the tool and its arguments' }),
    actions: z.array(z.string()).meta({ description: 'The answers a person may give' }),
    expires_at: Time.meta({ description: 'When it is too late to answer' }),
  })
  .meta({ id: 'Approval' });
export type Approval = z.infer<typeof Approval>;

/** Where a task is read, followed and cancelled. */
export const TaskUrls = z
  .object({
    self: z.string().meta({ description: 'GET: the task' }),
    events: z.string().meta({ description: 'GET: its events, as a stream' }),
    cancel: z.string().meta({ description: 'POST: cancels it' }),
  })
  .meta({ id: 'TaskUrls', description: 'Where the task is read, followed and cancelled' });

/** An entry of a list: a task without its output. */
export const ListedTask = z
  .object({
    task_id: TaskId,
    type: z.string().meta({ description: 'Its job type' }),
    status: Status,
    attempt: Count.meta({ description: 'Executions so far; 0 before the first' }),
    failures: Count.meta({ description: 'Attempts that failed so far' }),
    max_attempts: z.int().min(1).meta({ description: 'Bounds the failures' }),
    priority: z.int().meta({ description: 'Seconds of head start' }),
    created_at: Time.meta({ description: 'When it was accepted' }),
    run_at: Time.optional().meta({ description: 'The time it was to start, if one was given' }),
    queued_at: Time.optional().meta({ description: 'When it last went back to the queue' }),
    waiting: z
      .object({
        reason: z.string().meta({ description: 'Why: a word of the `waiting` event' }),
        until: Time.meta({ description: 'When it is looked at again' }),
      })
      .optional()
      .meta({ description: 'While something holds it back in the queue' }),
    started_at: Time.nullable().meta({ description: 'When it first started; null before' }),
    input_required_at: Time.optional().meta({ description: 'When it last began to wait for a person' }),
    cancel_requested_at: Time.optional().meta({ description: 'When a client asked to cancel it' }),
    ended_at: Time.nullable().meta({ description: 'When it ended; null before' }),
    wait_ms: Count.nullable().meta({
      description: 'Milliseconds from the time it might start to its first start; null before',
    }),
    run_ms: Count.meta({
      description: 'Milliseconds, the sum over the attempts; time parked for a person is left out',
    }),
    progress: Progress.nullable().meta({ description: 'How far the attempt is; null of job types without steps' }),
    approval: Approval.optional().meta({ description: 'While the task waits for a person' }),
    error: ErrorView.nullable().meta({ description: 'Why it failed; null of a task that did not' }),
    usage: UsageView.nullable().meta({ description: 'Tokens of all attempts; null when no model was called' }),
    metadata: z.record(z.string(), z.string()).meta({ description: 'The pairs it was submitted with' }),
    last_event_id: EventId.meta({ description: 'Id of its newest event: follow the events after this one' }),
    retry_of: TaskId.optional().meta({ description: 'The task this one is a retry of' }),
    urls: TaskUrls,
  })
  .meta({ id: 'ListedTask' });

/** `GET /tasks/<id>`. The output is that of the job type; partial for a failed or cancelled task, or null. */
export const TaskView = ListedTask.extend({ output: z.unknown() });
export type TaskView = z.infer<typeof TaskView>;
