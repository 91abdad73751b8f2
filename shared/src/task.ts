/**
 * A task: one request of a client. Its record in Redis is the truth about it.
 *
 * ```
 *             ┌── retry, hand-back, answer ──┐
 *             ▼                              │
 * scheduled ─▶ queued ─▶ in_progress ────────┼──▶ completed
 *                          ▲   │  └─ lost ─┐ ├──▶ failed
 *                          └───┼───────────┘ ├──▶ cancelled   (from any open state)
 *                              ▼             │
 *                        input_required ─────┴──▶ expired
 * ```
 * `scheduled` is not stored: it is `queued` with a start time ahead and attempt 0, derived when read.
 */
import type { ErrorView } from './errors.ts';
import type { Usage } from './provider.ts';
import type { Approval, TaskView, UsageView } from './task-view.ts';

/** Version of the record's shape. A runner hands a record of a newer version back to the queue. */
export const RECORD_VERSION = 1;

export const openStatuses = ['queued', 'in_progress', 'input_required'] as const;
export const endStatuses = ['completed', 'failed', 'cancelled', 'expired'] as const;
export const storedStatuses = [...openStatuses, ...endStatuses] as const;
export const statuses = ['scheduled', ...storedStatuses] as const;

export type EndStatus = (typeof endStatuses)[number];
export type StoredStatus = (typeof storedStatuses)[number];
export type Status = (typeof statuses)[number];

/** Which status may follow which. `in_progress → in_progress` is a lost attempt, superseded in place. */
export const transitions: Record<StoredStatus, readonly StoredStatus[]> = {
  queued: ['in_progress', 'cancelled', 'expired'],
  in_progress: ['queued', 'in_progress', 'input_required', 'completed', 'failed', 'cancelled'],
  input_required: ['queued', 'cancelled', 'expired'],
  completed: [],
  failed: [],
  cancelled: [],
  expired: [],
};

export function isEnd(status: string): status is EndStatus {
  return (endStatuses as readonly string[]).includes(status);
}

/** What a part wants to know of a task later. Strings; the record keeps them, and every hook and a retry get them back. */
export type Marks = Readonly<Record<string, string>>;

/** Options of a submit, checked and with defaults. Times are ms since the epoch, by Redis TIME. */
export type TaskOptions = {
  /** Seconds of head start (negative: of delay), rounded to minutes, −3600…3600. */
  priority: number;
  timeoutMs: number;
  maxAttempts: number;
  metadata: Record<string, string>;
};

/** The record, as the fields a reader asked for. Times are ms since the epoch. */
export type TaskRecord = {
  id: string;
  owner: string;
  type: string;
  status: StoredStatus;
  attempt: number;
  failures: number;
  maxAttempts: number;
  lastId: string;
  lastStateId: string;
  priority: number;
  metadata: Record<string, string>;
  createdAt: number;
  dueAt: number;
  runAt: number | null;
  startedAt: number | null;
  queuedAt: number | null;
  inputRequiredAt: number | null;
  endedAt: number | null;
  cancelRequestedAt: number | null;
  runMs: number;
  progress: TaskView['progress'];
  approval: Approval | null;
  /** JSON text; null before the end. Kept as text so that 4 MB are not parsed to be written again. */
  output: string | null;
  error: ErrorView | null;
  usage: (Usage & { estimated: boolean }) | null;
  retryOf: string | null;
  marks: Marks;
  /** Why it is held back, while it is queued; null when nothing holds it. */
  waiting: string | null;
};

const iso = (ms: number) => new Date(ms).toISOString();
const isoOrNull = (ms: number | null) => (ms === null ? null : iso(ms));

export function taskUrls(id: string) {
  const self = `/tasks/${id}`;
  return { self, events: `${self}/events`, cancel: `${self}/cancel` };
}

/** The status a client sees: `queued` before its time and its first attempt is `scheduled`. */
export function statusAt(record: Pick<TaskRecord, 'status' | 'attempt' | 'dueAt'>, now: number): Status {
  return record.status === 'queued' && record.attempt === 0 && record.dueAt > now ? 'scheduled' : record.status;
}

/** The usage object of the contract. Zero is a value; null means that no model was called. */
export function usageView(usage: TaskRecord['usage']): UsageView | null {
  if (!usage) return null;
  const { inputTokens, outputTokens, estimated } = usage;
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(estimated ? { estimated: true } : {}),
  };
}

/** The data of an ended task's `done`, as JSON text: logs hold the status only, so that an output is stored once. */
export function doneData({ status, output, error, usage }: TaskRecord): string {
  const tail = JSON.stringify({ error, usage: usageView(usage) }).slice(1);
  return `{"status":"${status}","output":${output ?? 'null'},${tail}`;
}

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
