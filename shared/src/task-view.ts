/** What a client sees of a task. */
import { z } from 'zod';
import { ErrorView } from './errors.ts';
import { EventId } from './event.ts';
import { type Answered, Approval, Progress, statuses, type TaskRecord } from './task.ts';

const Time = z.iso.datetime();
const Count = z.int().min(0);

export const TaskId = z
  .string()
  .meta({ id: 'TaskId', description: 'Id of a task', examples: ['task_1m80dvxcg008y5d70b2qj0mbs'] });
export const Status = z.enum(statuses).meta({ id: 'Status', description: 'Where the task is on its way' });
export type Status = z.infer<typeof Status>;

/** Tokens of all attempts. `estimated` when a backend did not report them. */
export const UsageView = z
  .object({
    input_tokens: Count.meta({ description: 'Tokens the model read' }),
    output_tokens: Count.meta({ description: 'Tokens the model wrote' }),
    total_tokens: Count.meta({ description: 'Both together' }),
    estimated: z.boolean().optional().meta({ description: 'True when the provider did not report them all' }),
    cached_tokens: Count.optional().meta({
      description: 'Those among the input that the provider had read before, where it tells',
    }),
    reasoning_tokens: Count.optional().meta({
      description: 'Those among the output that the model thought, where the provider tells',
    }),
    wasted_tokens: Count.optional().meta({ description: 'Those among them of attempts whose text is void' }),
  })
  .meta({ id: 'Usage', description: 'Tokens of all attempts' });
export type UsageView = z.infer<typeof UsageView>;

/** Who answered an approval, when, and what. */
const AnsweredView = z
  .object({
    approval_id: z.string().meta({ description: 'Which question was answered' }),
    answered_at: Time.meta({ description: 'When' }),
    action: z.string().meta({ description: 'The answer; `expired` when nobody gave one in time' }),
    by: z.string().meta({ description: 'Who gave it' }),
    asked: z.string().optional().meta({ description: 'The tool that was asked for' }),
    tool: z.string().optional().meta({ description: 'The tool to be used instead' }),
    arguments: z.unknown().optional().meta({ description: 'What the tool is to be given instead' }),
    scope: z.string().optional().meta({ description: 'What else needs no further answer' }),
    reason: z.string().optional().meta({ description: 'Why' }),
  })
  .meta({ id: 'Answered', description: 'An answer to an approval' });

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
    approvals: z
      .array(AnsweredView)
      .optional()
      .meta({ description: 'What persons have answered so far, in order; absent when nobody was asked' }),
    unread_messages: Count.optional().meta({
      description: 'Messages that it was sent and that no finished turn of it has heard. Absent when there are none',
    }),
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

const iso = (ms: number) => new Date(ms).toISOString();
const isoOrNull = (ms: number | null) => (ms === null ? null : iso(ms));

export function taskUrls(id: string) {
  const self = `/tasks/${id}`;
  return { self, events: `${self}/events`, cancel: `${self}/cancel` };
}

/** The status a client sees: `queued` before its time and its first attempt is `scheduled`, unless it is held back. */
export function statusAt(record: Pick<TaskRecord, 'status' | 'attempt' | 'dueAt' | 'waiting'>, now: number): Status {
  const isAhead = record.attempt === 0 && record.dueAt > now && record.waiting === null;
  return record.status === 'queued' && isAhead ? 'scheduled' : record.status;
}

/** The usage object of the contract. Zero is a value; null means that no model was called. */
export function usageView(usage: TaskRecord['usage']): UsageView | null {
  if (!usage) return null;
  const { inputTokens, outputTokens, cachedTokens, reasoningTokens, estimated, wastedTokens } = usage;
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(cachedTokens === undefined ? {} : { cached_tokens: cachedTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoning_tokens: reasoningTokens }),
    ...(estimated ? { estimated: true } : {}),
    ...(wastedTokens === undefined ? {} : { wasted_tokens: wastedTokens }),
  };
}

/** The data of an ended task's `done`, as JSON text: logs hold the status only, so that an output is stored once. */
export function doneData({ status, output, error, usage, unreadMessages }: TaskRecord): string {
  const unread = unreadMessages > 0 ? { unread_messages: unreadMessages } : {};
  const tail = JSON.stringify({ error, usage: usageView(usage), ...unread }).slice(1);
  return `{"status":"${status}","output":${output ?? 'null'},${tail}`;
}

const answered = ({ answered_at, ...answer }: Answered) => ({ ...answer, answered_at: iso(answered_at) });

/** What follows the output, which is JSON text already. */
type Tail = Pick<TaskView, 'error' | 'usage' | 'metadata' | 'last_event_id' | 'retry_of' | 'urls'>;

/** The JSON text of `GET /tasks/<id>`, or of a list's entry, which leaves the output out. `now` in ms, Redis TIME. */
export function taskJson(record: TaskRecord, now: number, place: 'whole' | 'listed' = 'whole'): string {
  const head: Omit<TaskView, keyof Tail | 'output'> = {
    task_id: record.id,
    type: record.type,
    status: statusAt(record, now),
    attempt: record.attempt,
    failures: record.failures,
    max_attempts: record.maxAttempts,
    priority: record.priority,
    created_at: iso(record.createdAt),
    ...(record.runAt === null ? {} : { run_at: iso(record.runAt) }),
    ...(record.queuedAt === null ? {} : { queued_at: iso(record.queuedAt) }),
    ...(record.status === 'queued' && record.waiting !== null
      ? { waiting: { reason: record.waiting, until: iso(record.dueAt) } }
      : {}),
    started_at: isoOrNull(record.startedAt),
    ...(record.inputRequiredAt === null ? {} : { input_required_at: iso(record.inputRequiredAt) }),
    ...(record.cancelRequestedAt === null ? {} : { cancel_requested_at: iso(record.cancelRequestedAt) }),
    ended_at: isoOrNull(record.endedAt),
    wait_ms:
      record.startedAt === null ? null : Math.max(0, record.startedAt - Math.max(record.createdAt, record.runAt ?? 0)),
    run_ms: record.runMs,
    progress: record.progress,
    ...(record.status === 'input_required' && record.approval ? { approval: record.approval } : {}),
    ...(record.approvals.length > 0 ? { approvals: record.approvals.map(answered) } : {}),
    ...(record.unreadMessages > 0 ? { unread_messages: record.unreadMessages } : {}),
  };
  const tail: Tail = {
    error: record.error,
    usage: usageView(record.usage),
    metadata: record.metadata,
    last_event_id: record.lastId,
    ...(record.retryOf === null ? {} : { retry_of: record.retryOf }),
    urls: taskUrls(record.id),
  };
  const output = place === 'whole' ? `"output":${record.output ?? 'null'},` : '';
  return `${JSON.stringify(head).slice(0, -1)},${output}${JSON.stringify(tail).slice(1)}`;
}
