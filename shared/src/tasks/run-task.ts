/**
 * Runs one attempt of a task: begin → handler → finish or release. The record decides whether there is an attempt and
 * whether its writes count; this file decides what an ending means.
 */
import { randomUUID } from 'node:crypto';
import { ApprovalPending, type ApprovalRequest, AttemptStop, type Context } from '../context.ts';
import type { Deps, RunnerDeps } from '../deps.ts';
import { TaskError, toTaskError } from '../errors.ts';
import type { JobType } from '../job-type.ts';
import type { AttemptRef, AttemptUsage, BeginVerdict, NewEntry } from '../record/task-verdicts.ts';
import { orUnavailable } from '../redis/away.ts';
import { canonicalJson, sha256 } from '../task-id.ts';
import { approvalIdOf, createAttemptContext } from './attempt-context.ts';
import { createAttemptLog } from './attempt-log.ts';

type Started = Extract<BeginVerdict, { verdict: 'start' }>;
/**
 * `until` (ms, Redis TIME): the task goes on then; without it the job is done. `dueAt`: the record says so itself, and an
 * answer may have moved it earlier by the time the job is parked.
 */
type After = { until?: number; dueAt?: number };

type Outcome =
  | { kind: 'completed'; output: string }
  | { kind: 'parked'; request: ApprovalRequest }
  | { kind: 'stopped'; by: AttemptStop['kind'] }
  | { kind: 'failed'; error: TaskError };

const LOST = { code: 'worker_lost', message: 'The worker that ran this task was lost.' } as const;
/** The shortest sleep of a task that is handed back to the queue as it is. */
const HAND_BACK_MS = 1_000;
/** How long a task sleeps that needs what is away: at first, and at most. */
const AWAY_MS = 5_000;
const MAX_AWAY_MS = 60_000;
/** JSON of an output that was not emitted piece by piece may be this much longer than its text: escapes and its own fields. */
const OUTPUT_OVERHEAD = 6;

export async function runTask(
  deps: RunnerDeps,
  job: { taskId: string; type: string; signal: AbortSignal; fence?: string },
): Promise<After> {
  const { tasks, clock, worker } = deps;
  const type = deps.catalog.get(job.type);
  if (!type) return { until: clock.now() + 5_000 };
  const fence = job.fence ?? randomUUID();
  const begun = await tasks.begin(job.taskId, {
    fence,
    worker,
    typeVersion: type.version,
    mayRestart: type.mayRestart,
    lost: LOST,
  });
  if (begun.verdict === 'ended') return {};
  if (begun.verdict === 'newer') return { until: begun.until };
  // Without a floor a job that BullMQ promoted too early would be taken thousands of times.
  if (begun.verdict === 'later') {
    return { until: Math.max(begun.until, clock.now() + HAND_BACK_MS), dueAt: begun.until };
  }

  return runAttempt(deps, type, { id: job.taskId, attempt: begun.attempt, fence }, begun, job.signal);
}

async function runAttempt(
  deps: RunnerDeps,
  type: JobType,
  ref: AttemptRef,
  begun: Started,
  signal: AbortSignal,
): Promise<After> {
  const { limits } = deps;
  const log = deps.log.child({ task_id: ref.id, attempt: ref.attempt, request_id: begun.requestId });
  const stopped = new AbortController();
  const abort = () => stopped.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  const deadline = setTimeout(
    () => stopped.abort(new TaskError('timed_out', `The attempt took longer than ${begun.timeoutMs} ms.`)),
    begun.timeoutMs,
  );
  const events = createAttemptLog({
    append: deps.tasks.append,
    ref,
    lastId: begun.lastId,
    maxOutputBytes: limits.maxOutputBytes,
    stop: (reason) => stopped.abort(reason),
  });
  const { context, usage } = createAttemptContext(deps, {
    ref,
    owner: begun.owner,
    turnOf: begun.turnOf,
    emit: events.emit,
    signal: stopped.signal,
    log,
  });

  try {
    const outcome = await execute(deps, type, begun.input, context);
    if (outcome.kind === 'failed') log.warn({ error: outcome.error }, 'the attempt failed');
    const unflushed = await events.close();
    const kept = type.partial?.(events.text(), context.llm.outcome()) ?? null;
    const partial = kept === null ? null : JSON.stringify(kept);
    return await settle(deps, ref, begun, outcome, { ...unflushed, usage: usage(), partial });
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', abort);
  }
}

/** Runs the handler to its end, or to the moment it is stopped, whichever comes first. */
async function execute(
  { tasks, turns, limits }: Deps,
  type: JobType,
  stored: string | null,
  context: Context,
): Promise<Outcome> {
  const { signal } = context;
  const { maxOutputBytes } = limits;
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const reject = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', reject, { once: true });
  try {
    signal.throwIfAborted();
    const text = stored ?? (await Promise.race([orUnavailable(tasks.readInput(context.taskId)), aborted.promise]));
    if (text === null) throw new TaskError('internal', 'The input of this task is gone.');
    const input = JSON.parse(text);
    const sessionId = type.sessionOf?.(input);
    // Before it can say anything, so that whoever comes after its end finds what it said.
    if (sessionId !== undefined) await Promise.race([turns.begin(sessionId, context.taskId), aborted.promise]);
    const result = await Promise.race([type.run(input, context), aborted.promise]);
    // A provider's loop may simply end when it is aborted: what it gave is not an answer.
    signal.throwIfAborted();
    const output = type.output.safeParse(result);
    if (!output.success) {
      throw new TaskError('invalid_output', 'The output does not have the shape of its job type.', {
        cause: output.error,
      });
    }
    const json = JSON.stringify(output.data);
    if (json.length > OUTPUT_OVERHEAD * maxOutputBytes) {
      throw new TaskError('output_too_large', `The output is larger than ${maxOutputBytes} bytes.`);
    }
    return { kind: 'completed', output: json };
  } catch (thrown) {
    const cause = signal.aborted ? signal.reason : thrown;
    if (cause instanceof AttemptStop) return { kind: 'stopped', by: cause.kind };
    if (cause instanceof ApprovalPending) return { kind: 'parked', request: cause.request };
    return { kind: 'failed', error: toTaskError(cause) };
  } finally {
    signal.removeEventListener('abort', reject);
  }
}

/** What every ending still has to write. */
type Ending = { after: string; entries: NewEntry[]; usage: AttemptUsage; partial: string | null };

/** One switch decides what the outcome of an attempt means for its task. */
async function settle(deps: Deps, ref: AttemptRef, begun: Started, outcome: Outcome, ending: Ending): Promise<After> {
  const { tasks } = deps;
  const { after, entries, usage, partial } = ending;

  const finish = async (
    status: 'completed' | 'failed' | 'cancelled',
    output: string | null,
    error: TaskError | null,
  ) => {
    const verdict = await tasks.finish(ref, { after, entries, status, output, error: error?.view ?? null, usage });
    if (verdict === 'finished') return {};
    if (verdict === 'superseded') return handBack();
    return release(new TaskError('worker_lost', 'Redis lost part of this attempt in a failover.'), 0, true);
  };
  const release = async (error: { code: string }, delayMs: number, failure: boolean) => {
    const event = { reason: error.code, delay_ms: delayMs, discard: true };
    const released = await tasks.release(ref, { ...ending, failure, delayMs, event });
    return released.verdict === 'released'
      ? { until: released.until, dueAt: released.until }
      : released.verdict === 'ended'
        ? {}
        : handBack();
  };
  // Another attempt holds the task, or it has ended: begin will say which. Our job must not vanish on a guess.
  const handBack = () => ({ until: deps.clock.now() + HAND_BACK_MS });

  switch (outcome.kind) {
    case 'completed':
      return finish('completed', outcome.output, null);
    case 'parked':
      return park(deps, ref, outcome.request, ending, handBack);
    case 'stopped':
      if (outcome.by === 'cancelled') return finish('cancelled', partial, null);
      if (outcome.by === 'shutting_down') return release({ code: 'shutting_down' }, 0, false);
      return handBack();
    case 'failed': {
      const { error } = outcome;
      // Not the task's failure: it waits for what it needs, however long that is away.
      if (error.code === 'unavailable') return release(error, awayMs(begun), false);
      const again = error.retry && begun.failures + 1 < begun.maxAttempts;
      return again ? release(error, backOff(deps, begun.failures, error), true) : finish('failed', partial, error);
    }
  }
}

/** Doubles with each attempt before that spent no failure: each leaves entries in the log and on the bus. */
const awayMs = ({ attempt, failures }: Started) => Math.min(AWAY_MS * 2 ** (attempt - 1 - failures), MAX_AWAY_MS);

/** Doubles with each failure, jittered, never shorter than the provider asked for. */
function backOff({ limits }: Deps, failures: number, error: TaskError): number {
  const ceiling = Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** failures);
  return Math.round(Math.max(error.retryAfterMs ?? 0, ceiling * (0.5 + Math.random() / 2)));
}

const ACTIONS = ['run', 'cancel', 'change_tool'];
async function park(deps: Deps, ref: AttemptRef, request: ApprovalRequest, ending: Ending, handBack: () => After) {
  const expiresAt = deps.clock.now() + request.expiresInMs;
  const view = {
    approval_id: approvalIdOf(ref.id, request.key),
    tool: request.tool,
    arguments: request.arguments,
    arguments_hash: sha256(canonicalJson({ tool: request.tool, arguments: request.arguments })),
    actions: ACTIONS,
    expires_at: new Date(expiresAt).toISOString(),
  };
  const approval = { id: view.approval_id, view, expiresAt, onExpiry: request.onExpiry ?? 'expire' };
  const released = await deps.tasks.release(ref, { ...ending, failure: false, delayMs: 0, event: view, approval });
  return released.verdict === 'released'
    ? { until: released.until, dueAt: released.until }
    : released.verdict === 'ended'
      ? {}
      : handBack();
}
