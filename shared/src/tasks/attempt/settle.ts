/** What the ending of an attempt means for its task: it ends, is retried, handed back, or waits for a person. */
import type { ApprovalRequest, AttemptStop } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { After } from '../../queue/consumer.ts';
import type { AttemptRef, AttemptUsage, BeginVerdict, NewEntry, ReleaseVerdict } from '../../record/task-verdicts.ts';
import type { Tasks } from '../../record/tasks.ts';
import type { Clock } from '../../redis/clock.ts';
import { approvalIdOf, argumentsHash } from './context.ts';

export type Started = Extract<BeginVerdict, { verdict: 'start' }>;

/** How an attempt ended. */
export type Ended =
  | { kind: 'completed'; output: string }
  | { kind: 'parked'; request: ApprovalRequest }
  | { kind: 'stopped'; by: AttemptStop['kind'] }
  | { kind: 'failed'; error: TaskError };

/** What every ending still has to write. */
type Unwritten = { after: string; entries: NewEntry[]; usage: AttemptUsage; partial: string | null };

export type SettleDeps = {
  tasks: Tasks;
  clock: Clock;
  limits: { retryBaseMs: number; retryMaxMs: number; patienceMs: number };
};

/** The shortest sleep of a task that is handed back to the queue as it is. */
export const HAND_BACK_MS = 1_000;
/** How long a task sleeps that needs what is away: at first, and at most. */
const AWAY_MS = 5_000;
const MAX_AWAY_MS = 60_000;
const MAX_ASKED_MS = 3_600_000;
const ACTIONS = ['run', 'deny', 'cancel', 'change_tool'];

/** One switch decides what the outcome of an attempt means for its task. */
export async function settle(
  deps: SettleDeps,
  ref: AttemptRef,
  begun: Started,
  outcome: Ended,
  unwritten: Unwritten,
): Promise<After> {
  const { tasks, clock } = deps;
  const { after, entries, usage, partial } = unwritten;

  const finish = async (
    status: 'completed' | 'failed' | 'cancelled',
    output: string | null,
    error: TaskError | null,
  ) => {
    const verdict = await tasks.finish(ref, { after, entries, status, output, error: error?.view ?? null, usage });
    if (verdict === 'finished') return {};
    if (verdict === 'superseded') return handBack(clock);
    return release(new TaskError('worker_lost', 'Redis lost part of this attempt in a failover.'), 0, true);
  };
  /** The task waits for what is away, without spending a failure. */
  const wait = async (reason: string, delayMs: number) => {
    const event = { reason, until: new Date(clock.now() + delayMs).toISOString(), discard: true };
    return released(clock, await tasks.release(ref, { ...unwritten, failure: false, delayMs, event, waits: reason }));
  };
  const release = async (error: { code: string }, delayMs: number, failure: boolean) => {
    const event = { reason: error.code, delay_ms: delayMs, discard: true };
    return released(clock, await tasks.release(ref, { ...unwritten, failure, delayMs, event }));
  };

  switch (outcome.kind) {
    case 'completed':
      return finish('completed', outcome.output, null);
    case 'parked':
      return park(deps, ref, outcome.request, unwritten);
    case 'stopped':
      if (outcome.by === 'cancelled') return finish('cancelled', partial, null);
      if (outcome.by === 'shutting_down') return release({ code: 'shutting_down' }, 0, false);
      return handBack(clock);
    case 'failed': {
      const { error } = outcome;
      // Not the task's failure: it waits for what it needs, however long that is away.
      if (error.code === 'unavailable') return release(error, awayMs(begun), false);
      const patient = error.away ? patientMs(deps, begun, error) : null;
      if (patient !== null) return wait('provider_away', patient);
      const again = error.retry && begun.failures + 1 < begun.maxAttempts;
      return again ? release(error, backOff(deps, begun.failures, error), true) : finish('failed', partial, error);
    }
  }
}

/** Another attempt holds the task, or it has ended: begin will say which. Our job must not vanish on a guess. */
const handBack = (clock: Clock): After => ({ until: clock.now() + HAND_BACK_MS });

function released(clock: Clock, reply: ReleaseVerdict): After {
  if (reply.verdict === 'released') return { until: reply.until, dueAt: reply.until };
  return reply.verdict === 'ended' ? {} : handBack(clock);
}

/** Doubles with each attempt before that spent no failure: each leaves entries in the log and in the outbox. */
const awayMs = ({ attempt, failures }: Started) => Math.min(AWAY_MS * 2 ** (attempt - 1 - failures), MAX_AWAY_MS);

/**
 * How long a task sleeps whose model server is away, as far as its patience goes: doubling to a minute, jittered, never
 * shorter than the server asked for. Null when the patience is over, or the server asks for more than is left of it.
 */
function patientMs({ limits, clock }: SettleDeps, begun: Started, error: TaskError): number | null {
  const retryAfterMs = askedMs(error);
  const now = clock.now();
  const left = (begun.awaySince ?? now) + (begun.patienceMs ?? limits.patienceMs) - now;
  if (left <= 0 || retryAfterMs > left) return null;
  const ceiling = Math.min(MAX_AWAY_MS, limits.retryBaseMs * 2 ** begun.waits);
  return Math.round(Math.max(retryAfterMs, Math.min(left, ceiling * (0.5 + Math.random() / 2))));
}

/** What the provider asked for, as far as it is a time. */
const askedMs = ({ retryAfterMs }: TaskError) => Math.min(Math.max(retryAfterMs || 0, 0), MAX_ASKED_MS);

/** Doubles with each failure, jittered, never shorter than the provider asked for. */
function backOff({ limits }: SettleDeps, failures: number, error: TaskError): number {
  const ceiling = Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** failures);
  return Math.round(Math.max(askedMs(error), ceiling * (0.5 + Math.random() / 2)));
}

async function park(
  { tasks, clock }: SettleDeps,
  ref: AttemptRef,
  request: ApprovalRequest,
  unwritten: Unwritten,
): Promise<After> {
  const expiresAt = clock.now() + request.expiresInMs;
  const view = {
    approval_id: approvalIdOf(ref.id, request),
    tool: request.tool,
    arguments: request.arguments,
    arguments_hash: argumentsHash(ref.id, request),
    actions: request.actions ?? ACTIONS,
    expires_at: new Date(expiresAt).toISOString(),
  };
  const approval = { id: view.approval_id, view, expiresAt, onExpiry: request.onExpiry ?? 'expire' };
  return released(clock, await tasks.release(ref, { ...unwritten, failure: false, delayMs: 0, event: view, approval }));
}
