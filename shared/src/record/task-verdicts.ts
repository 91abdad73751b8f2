/** What the scripts take and answer. */
import type { InboxMessage } from '../context.ts';
import type { ErrorView } from '../errors.ts';
import type { Usage } from '../provider.ts';
import type { Approval, EndStatus, Marks } from '../task.ts';

/** An event the runner puts on the log. `data` is JSON text. */
export type NewEntry = { id: string; type: string; data: string };
/** Which execution speaks: refused once it is not the current one. */
export type AttemptRef = { id: string; attempt: number; fence: string };
/** Token counts of an attempt; undefined when it called no model. */
export type AttemptUsage = (Usage & { estimated: boolean }) | undefined;

export type NewTask = {
  id: string;
  owner: string;
  type: string;
  typeVersion: number;
  /** JSON text. */
  input: string;
  headStartMs: number;
  runAt: number;
  delayMs: number;
  startBy: number | undefined;
  timeoutMs: number;
  maxAttempts: number;
  patienceMs: number | undefined;
  priority: number;
  /** Whether it ranks behind the tasks of its owner that wait already. */
  spread: boolean;
  metadata: Record<string, string>;
  requestId: string;
  traceparent: string | undefined;
  retryOf: string | undefined;
  marks: Marks;
  /** `isNew`: the store has no task of this key, whatever Redis thinks. */
  idempotency: { hash: string; fingerprint: string; isNew?: boolean } | undefined;
  /** Redis time after which the task must not come to life. */
  notAfter: number;
  /** Whether anybody still waits for it: one that has not been sent yet when nobody does is not sent. */
  wanted?: () => boolean;
};

export type CreateVerdict =
  | { verdict: 'created'; rank: number; dueAt: number; createdAt: number }
  | { verdict: 'replay'; id: string }
  | { verdict: 'full'; what: string }
  /** `archived`: the key has made a task that only the store has. */
  | { verdict: 'conflict' | 'archived' | 'late' | 'no_input' };

export type BeginVerdict =
  | { verdict: 'ended' }
  /** `later`: not due; `newer`: of a version this runner does not know. */
  | { verdict: 'later'; until: number }
  | { verdict: 'newer'; until: number }
  | {
      verdict: 'start';
      attempt: number;
      lastId: string;
      failures: number;
      maxAttempts: number;
      timeoutMs: number;
      requestId: string;
      traceparent: string;
      owner: string;
      marks: Marks;
      /** JSON text; null when it is too large to come along, or gone. */
      input: string | null;
      /** How long it waits for a model server that is away; null: as long as the runner's configuration says. */
      patienceMs: number | null;
      /** Since when the server has been away (ms), and how often the task has waited for it; null and 0 when it is there. */
      awaySince: number | null;
      waits: number;
      /** Text of attempts up to this one stands: the task was parked by it, for a person. */
      keptAttempt: number;
      /** What there was of its output then, as JSON text; null when it was not parked, or had none. */
      keptOutput: string | null;
      /** How many messages it was sent so far, and how many of those that are to steer it are unread. */
      messages: number;
      steers: number;
    };

/** How an attempt ends while its task does not; with an approval the task is parked for an answer. */
export type ReleaseOptions = {
  after: string;
  entries: NewEntry[];
  failure: boolean;
  delayMs: number;
  usage: AttemptUsage;
  partial: string | null;
  event: Record<string, unknown>;
  /** Why it waits, when what it needs is away: no failure, and it counts in the limits of its queue again. */
  waits?: string | undefined;
  approval?: { id: string; view: Approval; expiresAt: number; onExpiry: string } | undefined;
};

/** How a task ends with an attempt. */
export type FinishOptions = {
  after: string;
  entries: NewEntry[];
  status: EndStatus;
  /** JSON text. */
  output: string | null;
  error: ErrorView | null;
  usage: AttemptUsage;
};

export type ReleaseVerdict = { verdict: 'released'; until: number } | { verdict: 'ended' | 'superseded' };
/** Holds a queued task back. Times in ms, Redis TIME; a rank of undefined stays as it is. */
export type AdjustOptions = { nonce: string; dueAt: number; rank?: number | undefined; reason: string };
/** `superseded`: an attempt runs, or a person is asked. */
export type AdjustVerdict = { verdict: 'adjusted'; dueAt: number } | { verdict: 'ended' | 'superseded' };

/** `run`: it may begin. `unknown`: it began in an attempt that was lost, and nobody knows whether it had its effect. */
export type StepVerdict =
  | { verdict: 'done'; attempt: number; result: string }
  | { verdict: 'run' | 'unknown' | 'full' | 'cancelled' | 'superseded' };
/** `steers`: how many messages that are to steer the task are unread. */
export type StepDone = { verdict: 'done'; steers: number } | { verdict: 'full' | 'superseded' };
/** A step that was finished: by which attempt, and what came of it, as JSON text. */
export type FinishedStep = { attempt: number; result: string };

/** `answer`: the cancel is a person's answer to this approval; another one is a `conflict`. */
export type CancelOptions = {
  nonce: string;
  withdraw?: boolean;
  answer?: { approvalId: string; entry: Record<string, unknown> } | undefined;
};
export type CancelVerdict =
  | { verdict: 'cancelled' | 'requested'; at: number }
  | { verdict: 'ended' | 'unknown' | 'withdrawn' | 'conflict' };

/**
 * A message to a task. `nonce` is the same in a repeat of the request, and `fingerprint` of one that says the same; `content` is
 * JSON text. After `notAfter` (ms, Redis TIME) it must not arrive.
 */
export type NewMessage = {
  nonce: string;
  id: string;
  fingerprint: string;
  mode: InboxMessage['mode'];
  content: string;
  notAfter: number;
};
/** `accepted` gives the id of the first request of this nonce; `closed` says in words why the task takes no more. */
export type MessageVerdict =
  | { verdict: 'accepted'; id: string }
  | { verdict: 'closed'; why: string }
  | { verdict: 'full'; what: 'messages' | 'bytes' }
  | { verdict: 'unknown' | 'differs' | 'late' };
/** What was taken at a place of a task's work, and by which attempt. */
export type TakenMessages = { attempt: number; messages: InboxMessage[] };
export type TakeVerdict = { verdict: 'taken'; messages: InboxMessage[] } | { verdict: 'superseded' | 'cancelled' };

export type Limits = {
  maxQueueTasks: number;
  maxQueueBytes: number;
  maxOwnerTasks: number;
  spreadMs: number;
  firstCheckMs: number;
  cancelGraceMs: number;
  /** What all steps of a task may take together, their keys among them. */
  maxStepsBytes: number;
  /** What a task is sent in all: messages, and the bytes of their contents. */
  maxMessages: number;
  maxMessagesBytes: number;
  /** How long a script is sent again while Redis says "not now". */
  patienceMs: number;
};
