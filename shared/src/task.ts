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
import { z } from 'zod';
import type { ErrorView } from './errors.ts';
import type { Usage } from './provider.ts';

/** Version of the record's shape. A runner hands a record of a newer version back to the queue. */
export const RECORD_VERSION = 1;

export const openStatuses = ['queued', 'in_progress', 'input_required'] as const;
export const endStatuses = ['completed', 'failed', 'cancelled', 'expired'] as const;
export const storedStatuses = [...openStatuses, ...endStatuses] as const;
export const statuses = ['scheduled', ...storedStatuses] as const;

export type EndStatus = (typeof endStatuses)[number];
export type StoredStatus = (typeof storedStatuses)[number];

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

/** What a part wants to know of a task later. Strings that the record keeps: later hooks get them back, and a retry. */
export type Marks = Readonly<Record<string, string>>;

/** Options of a submit, checked and with defaults. Times are ms since the epoch, by Redis TIME. */
export type TaskOptions = {
  /** Seconds of head start (negative: of delay), rounded to minutes, −3600…3600. */
  priority: number;
  timeoutMs: number;
  maxAttempts: number;
  /** How long it waits for a model server that is away; undefined: as the runners are configured. */
  patienceMs?: number | undefined;
  metadata: Record<string, string>;
};

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
    expires_at: z.iso.datetime().meta({ description: 'When it is too late to answer' }),
  })
  .meta({ id: 'Approval' });
export type Approval = z.infer<typeof Approval>;

/** An answer to an approval, as it stands in the record. Time in ms, Redis TIME. */
export type Answered = {
  answered_at: number;
  approval_id: string;
  action: string;
  by: string;
  [more: string]: unknown;
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
  /** How long it waits for a model server that is away (ms); null where the client did not say. */
  patienceMs: number | null;
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
  progress: Progress | null;
  approval: Approval | null;
  /** What persons have answered so far, in order. */
  approvals: Answered[];
  /** JSON text; null before the end. Kept as text so that 4 MB are not parsed to be written again. */
  output: string | null;
  error: ErrorView | null;
  /** `wastedTokens`: those among them of attempts whose text is void; absent when there are none. */
  usage: (Usage & { estimated: boolean; wastedTokens?: number }) | null;
  retryOf: string | null;
  marks: Marks;
  /** Why it is held back, while it is queued; null when nothing holds it. */
  waiting: string | null;
  /** Messages that it was sent, and that no finished step of it was given. */
  unreadMessages: number;
};
