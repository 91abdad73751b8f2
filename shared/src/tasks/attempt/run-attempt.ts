/** Runs one attempt: handler → finish or release. Whether its writes count is decided by the record. */
import { ApprovalPending, AttemptStop, type Context } from '../../context.ts';
import { TaskError, toTaskError } from '../../errors.ts';
import type { JobType } from '../../job-type.ts';
import type { Log } from '../../log.ts';
import { addUsed } from '../../models/call-usage.ts';
import type { Attempt, Part } from '../../part.ts';
import type { After } from '../../queue/consumer.ts';
import type { AttemptRef } from '../../record/task-verdicts.ts';
import { orUnavailable } from '../../redis/away.ts';
import { inTime } from '../in-time.ts';
import type { AttemptLimits } from '../variables.ts';
import { type ContextDeps, createAttemptContext } from './context.ts';
import { createInbox } from './inbox.ts';
import { createAttemptLog } from './log.ts';
import { type Ended, type SettleDeps, type Started, settle } from './settle.ts';
import { createSteps } from './steps.ts';

export type AttemptDeps = ContextDeps & SettleDeps & { parts: readonly Part[]; log: Log; limits: AttemptLimits };

/** JSON of an output that was not emitted piece by piece may be this much longer than its text: escapes and its own fields. */
const OUTPUT_OVERHEAD = 6;
/** How long a part may take to give back what the attempt had of it. */
const LEAVE_MS = 5_000;

/** One signal for whatever stops the attempt from outside, and its deadline. */
function createStop(signal: AbortSignal, timeoutMs: number) {
  const stopped = new AbortController();
  const endsAt = performance.now() + timeoutMs;
  const abort = () => stopped.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  const deadline = setTimeout(
    () => stopped.abort(new TaskError('timed_out', `The attempt took longer than ${timeoutMs} ms.`)),
    timeoutMs,
  );
  return {
    signal: stopped.signal,
    stop: (reason: Error) => stopped.abort(reason),
    leftMs: () => Math.max(endsAt - performance.now(), 0),
    /** Whatever the handler has left running is told to end. */
    release() {
      clearTimeout(deadline);
      signal.removeEventListener('abort', abort);
      stopped.abort(new AttemptStop('superseded'));
    },
  };
}

export async function runAttempt(
  deps: AttemptDeps,
  type: JobType,
  ref: AttemptRef,
  begun: Started,
  signal: AbortSignal,
): Promise<After> {
  const log = deps.log.child({ task_id: ref.id, attempt: ref.attempt, request_id: begun.requestId });
  const stop = createStop(signal, begun.timeoutMs);
  const unread = { steers: begun.steers };
  const events = createAttemptLog({
    append: deps.tasks.append,
    ref,
    unread,
    lastId: begun.lastId,
    maxOutputBytes: deps.limits.maxOutputBytes,
    stop: stop.stop,
  });
  const { id, attempt: number } = ref;
  const { owner, marks } = begun;
  const attempt: Attempt = { id, attempt: number, fence: ref.fence, owner, type, marks, signal: stop.signal };
  const own = { ref, keptAttempt: begun.keptAttempt, unread, signal: stop.signal, stop: stop.stop };
  const steps = createSteps(deps, own);
  const inbox = createInbox(deps, { ...own, messages: begun.messages, steps, tell: events.tell });
  const given = { emit: events.emit, log, step: steps.step, timeLeftMs: stop.leftMs, ...inbox };
  const { context, usage, kept } = createAttemptContext(deps, attempt, given);

  let ended: Ended = { kind: 'stopped', by: 'superseded' };
  try {
    const outcome = await execute(deps, attempt, begun.input, context);
    if (outcome.kind === 'failed') log.warn({ error: outcome.error }, 'the attempt failed');
    await steps.settled();
    const unflushed = await events.close();
    const unwritten = {
      ...unflushed,
      usage: addUsed(usage(), steps.usage()),
      partial: partialOf(type, events.text(), context, { kept: kept(), before: begun.keptOutput, log }),
    };
    const failures = steps.progressed() ? 0 : begun.failures;
    const end = (how: Ended) => settle(deps, ref, { ...begun, failures }, how, unwritten);
    const after = await end(outcome).catch((error: unknown) => {
      // What the handler asked for cannot be written: a time that is none, arguments that are no JSON.
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      log.warn({ error }, 'the attempt failed: its end could not be written');
      return end({ kind: 'failed', error: toTaskError(error) });
    });
    ended = outcome;
    return after;
  } finally {
    stop.release();
    // Also when its end could not be written: then it counts as lost.
    await leave(deps.parts, attempt, ended, log);
  }
}

/** What is kept of an output that did not come, as JSON text; null where there is none, or the job type cannot say. */
function partialOf(
  type: JobType,
  text: string,
  { llm }: Context,
  { kept, before, log }: { kept: unknown; before: string | null; log: Log },
): string | null {
  try {
    const earlier = before === null ? null : JSON.parse(before);
    const partial = type.partial?.(text, llm.outcome(), { kept, before: earlier }) ?? null;
    return partial === null ? null : JSON.stringify(partial);
  } catch (error) {
    log.warn({ error }, 'the job type could not say what is kept of its output');
    return null;
  }
}

/** The attempt is over: no part can change that any more, and none may hold up the next task. */
async function leave(parts: readonly Part[], attempt: Attempt, outcome: Ended, log: Log): Promise<void> {
  for (const part of parts.filter(({ left }) => left)) {
    await inTime(LEAVE_MS, async () => part.left?.(attempt, outcome)).catch((error: unknown) => {
      log.warn({ error, part: part.name }, 'a part could not give back what the attempt had of it');
    });
  }
}

/** Runs the handler to its end, or to the moment it is stopped, whichever comes first. */
async function execute(
  { tasks, parts, limits }: AttemptDeps,
  attempt: Attempt,
  stored: string | null,
  context: Context,
): Promise<Ended> {
  const { type, signal } = attempt;
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const reject = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', reject, { once: true });
  const orAborted = <T>(work: Promise<T>) => Promise.race([work, aborted.promise]);
  try {
    signal.throwIfAborted();
    const text = stored ?? (await orAborted(orUnavailable(tasks.readInput(attempt.id))));
    if (text === null) throw new TaskError('internal', 'The input of this task is gone.');
    const input = JSON.parse(text);
    for (const part of parts) Object.assign(context, part.context?.(attempt));
    for (const part of parts) if (part.begin) await orAborted(part.begin(attempt, input));
    const result = await orAborted(type.run(input, context));
    // A provider's loop may simply end when it is aborted: what it gave is not an answer.
    signal.throwIfAborted();
    return { kind: 'completed', output: checkedOutput(type, result, limits.maxOutputBytes) };
  } catch (thrown) {
    const cause = signal.aborted ? signal.reason : thrown;
    if (cause instanceof AttemptStop) return { kind: 'stopped', by: cause.kind };
    if (cause instanceof ApprovalPending) return { kind: 'parked', request: cause.request };
    return { kind: 'failed', error: toTaskError(cause) };
  } finally {
    signal.removeEventListener('abort', reject);
  }
}

/** The output as JSON text. */
function checkedOutput(type: JobType, result: unknown, maxOutputBytes: number): string {
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
  return json;
}
