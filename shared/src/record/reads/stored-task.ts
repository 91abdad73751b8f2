/** How a task stands in Redis: the fields of its record, and the entries of its log, as what they mean. */
import type { LogEntry } from '../../event.ts';
import type { Answered, StoredStatus, TaskRecord } from '../../task.ts';

/** Of the record, what clients see. */
export const FIELDS = [
  'owner',
  'type',
  'status',
  'attempt',
  'failures',
  'max_attempts',
  'last_id',
  'last_state_id',
  'patience_ms',
  'priority',
  'metadata',
  'created_at',
  'due_at',
  'run_at',
  'started_at',
  'queued_at',
  'input_required_at',
  'ended_at',
  'cancel_requested_at',
  'run_ms',
  'progress',
  'approval',
  'approvals',
  'output',
  'error',
  'input_tokens',
  'output_tokens',
  'usage_estimated',
  'cached_tokens',
  'reasoning_tokens',
  'wasted_tokens',
  'retry_of',
  'marks',
  'waiting',
  'messages',
  'heard',
] as const;
/** The same without the output, which may be megabytes. */
export const LIST_FIELDS = FIELDS.filter((name) => name !== 'output');
/** What a list is filtered by, and how it stands in Redis. */
export type Filtered = Pick<
  TaskRecord,
  'id' | 'type' | 'status' | 'attempt' | 'dueAt' | 'createdAt' | 'metadata' | 'waiting'
>;
export const FILTER_FIELDS = ['type', 'status', 'attempt', 'due_at', 'created_at', 'metadata', 'waiting'] as const;

/** From the values of these fields; null when there is no record. */
export function toFiltered(id: string, values: (string | null)[]): Filtered | null {
  const [type, status, attempt, dueAt, createdAt, metadata, waiting = null] = values;
  if (!status) return null;
  return {
    ...{ id, type: type ?? '', status: status as StoredStatus, attempt: Number(attempt ?? 0), waiting },
    ...{ dueAt: Number(dueAt ?? 0), createdAt: Number(createdAt ?? 0), metadata: JSON.parse(metadata ?? '{}') ?? {} },
  };
}

/** What was answered, from the entries as the record has them. */
export const answersOf = (entries: string | null): Answered[] => JSON.parse(`[${entries ?? ''}]`);

/** Null when there is no record. */
export function toRecord(id: string, names: readonly string[], values: (string | null)[]): TaskRecord | null {
  const at = new Map(names.map((name, index) => [name, values[index] ?? null]));
  const text = (name: string) => at.get(name) ?? null;
  const number = (name: string) => (text(name) === null ? null : Number(text(name)));
  const parsed = (name: string) => JSON.parse(text(name) ?? 'null');
  const status = text('status');
  if (status === null) return null;
  const inputTokens = number('input_tokens');
  return {
    id,
    owner: text('owner') ?? '',
    type: text('type') ?? '',
    status: status as StoredStatus,
    attempt: number('attempt') ?? 0,
    failures: number('failures') ?? 0,
    maxAttempts: number('max_attempts') ?? 0,
    patienceMs: number('patience_ms'),
    lastId: text('last_id') ?? '0-0',
    lastStateId: text('last_state_id') ?? '0-0',
    priority: number('priority') ?? 0,
    metadata: parsed('metadata') ?? {},
    createdAt: number('created_at') ?? 0,
    dueAt: number('due_at') ?? 0,
    runAt: number('run_at'),
    startedAt: number('started_at'),
    queuedAt: number('queued_at'),
    inputRequiredAt: number('input_required_at'),
    endedAt: number('ended_at'),
    cancelRequestedAt: number('cancel_requested_at'),
    runMs: number('run_ms') ?? 0,
    progress: parsed('progress'),
    approval: parsed('approval'),
    approvals: answersOf(text('approvals')),
    output: text('output'),
    error: parsed('error'),
    usage:
      inputTokens === null
        ? null
        : {
            inputTokens,
            outputTokens: number('output_tokens') ?? 0,
            ...(text('cached_tokens') === null ? {} : { cachedTokens: Number(text('cached_tokens')) }),
            ...(text('reasoning_tokens') === null ? {} : { reasoningTokens: Number(text('reasoning_tokens')) }),
            estimated: text('usage_estimated') === '1',
            ...(text('wasted_tokens') === null ? {} : { wastedTokens: Number(text('wasted_tokens')) }),
          },
    retryOf: text('retry_of'),
    marks: parsed('marks') ?? {},
    waiting: text('waiting'),
    unreadMessages: (number('messages') ?? 0) - (number('heard') ?? 0),
  };
}

/** An entry of a log, `[id, [name, value, …]]`. */
export function toLogEntry([id, fields]: [string, string[]]): LogEntry {
  const at = fields.indexOf('at');
  return {
    id,
    type: fields[fields.indexOf('type') + 1] ?? '',
    at: Number(fields[at + 1]),
    prev: fields[fields.indexOf('prev') + 1] ?? '',
    data: fields[fields.length - 1] ?? '{}',
  };
}
