/**
 * Steps: what a later attempt need not do again. A step that is finished is never run a second time; one with an effect is
 * noted before it has it, so that an attempt that was lost in between is known to have been there.
 *
 * What readers saw of a finished step is void when its attempt ended by a retry, and then it is shown again; what stood
 * when the task was parked for a person stands.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ApprovalPending, AttemptStop, type Step, type StepRun, StepUnknown } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import { addUsed } from '../../models/call-usage.ts';
import { createLlm, type Providers } from '../../models/llm.ts';
import type { AttemptRef, AttemptUsage, FinishedStep } from '../../record/task-verdicts.ts';
import type { Tasks } from '../../record/tasks.ts';
import { orUnavailable } from '../../redis/away.ts';
import { sha256 } from '../../task-id.ts';
import type { Unread } from './log.ts';

/** How long an attempt that has ended waits for its steps in flight. */
const SETTLE_MS = 5_000;
/** Of a key, in characters. */
const MAX_KEY_LENGTH = 512;

type StepDeps = { tasks: Tasks; providers: Providers; limits: { idleTimeoutMs: number; maxStepBytes: number } };

/** Throws when a key is too long, or Redis would not keep it apart from another: halves of surrogate pairs are one letter to it. */
export function checkKey(key: string): void {
  if (key.length <= MAX_KEY_LENGTH && key.isWellFormed()) return;
  throw new Error(`A step's key has at most ${MAX_KEY_LENGTH} characters, and no half of a surrogate pair.`);
}

export function createSteps(
  deps: StepDeps,
  attempt: { ref: AttemptRef; keptAttempt: number; unread: Unread; signal: AbortSignal; stop(reason: Error): void },
) {
  const { tasks, providers, limits } = deps;
  const { ref, signal } = attempt;
  const used = new Set<string>();
  const inFlight = new Set<Promise<unknown>>();
  let earlier: Promise<Map<string, FinishedStep>> | undefined;
  /** Of steps that did not finish. */
  let lost: AttemptUsage;
  let progressed = false;
  let over = false;

  function stopped(kind: AttemptStop['kind']): AttemptStop {
    const reason = new AttemptStop(kind);
    attempt.stop(reason);
    return reason;
  }

  async function again<Result>({ show }: Step<Result>, finished: FinishedStep): Promise<Result> {
    const result = JSON.parse(finished.result);
    if (show && finished.attempt > attempt.keptAttempt && finished.attempt < ref.attempt) await show(result);
    return result;
  }

  /** Does the work and keeps what came of it. What it used counts with the step, or with the attempt when it failed. */
  async function doIt<Result>(key: string, { effect }: Step<Result>, work: (given: StepRun) => Promise<Result>) {
    const { llm, usage } = createLlm({ providers, idleTimeoutMs: limits.idleTimeoutMs, signal });
    try {
      const result = JSON.stringify((await work({ idempotencyKey: sha256(`${ref.id}\n${key}`), signal, llm })) ?? null);
      if (Buffer.byteLength(result) > limits.maxStepBytes) throw tooLarge(`The step ${key}`, limits.maxStepBytes);
      const done = await orUnavailable(tasks.finishStep(ref, { key, effect, result, usage: usage() }));
      if (done.verdict !== 'done') throw done.verdict === 'full' ? allTooLarge() : stopped(done.verdict);
      attempt.unread.steers = done.steers;
      progressed = true;
      return JSON.parse(result) as Result;
    } catch (error) {
      lost = addUsed(lost, usage());
      // The next attempt could not tell whether it had its effect before it asked.
      if (error instanceof ApprovalPending && effect === 'once') {
        throw new Error(`The step ${key} has its effect once, and asks a person in the midst of it: ask before it.`);
      }
      throw error;
    }
  }

  /** What was finished before this attempt, read once. */
  async function finishedBefore(key: string): Promise<FinishedStep | undefined> {
    if (ref.attempt > 1) earlier ??= orUnavailable(tasks.finishedSteps(ref.id));
    return (await earlier)?.get(key);
  }

  async function take<Result>(key: string, step: Step<Result>): Promise<Result> {
    signal.throwIfAborted();
    const finished = await finishedBefore(key);
    if (finished) return again(step, finished);
    if (step.effect === 'none') return doIt(key, step, step.run);
    const begun = await orUnavailable(tasks.beginStep(ref, key, step.effect));
    switch (begun.verdict) {
      case 'done':
        return again(step, begun);
      case 'run':
        return doIt(key, step, step.run);
      case 'unknown':
        return doIt(key, step, async (given) => {
          const found = await step.reconcile?.(given);
          if (!found) throw new StepUnknown(key);
          return found.result;
        });
      case 'full':
        throw allTooLarge();
      default:
        throw stopped(begun.verdict);
    }
  }

  return {
    async step<Result>(key: string, step: Step<Result>): Promise<Result> {
      checkKey(key);
      if (used.has(key)) throw new Error(`The step ${key} was taken twice in one attempt.`);
      if (over) throw new Error(`The attempt has ended: it does not begin the step ${key}.`);
      used.add(key);
      const work = take(key, step);
      inFlight.add(work);
      work.catch(() => undefined).finally(() => inFlight.delete(work));
      return work;
    },
    /**
     * Waits for the steps in flight, so that what they do is kept. No other step begins: a handler that threw may have left
     * something running, whose effects nobody would keep.
     */
    async settled(): Promise<void> {
      over = true;
      if (inFlight.size === 0) return;
      const late = new AbortController();
      await Promise.race([
        Promise.allSettled(inFlight),
        delay(SETTLE_MS, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
    },
    /** Whether an earlier attempt has finished this step. */
    isFinished: async (key: string) => (await finishedBefore(key)) !== undefined,
    /** Whether this attempt has come to this step. */
    isTaken: (key: string) => used.has(key),
    /** Whether the attempt has ended. */
    isOver: () => over,
    /** What steps used that did not finish. */
    usage: () => lost,
    /** Whether a step was finished, which forgets the failures before it. */
    progressed: () => progressed,
  };
}

export type Steps = ReturnType<typeof createSteps>;

const allTooLarge = () => new TaskError('output_too_large', 'The steps of this task have grown too large.');
const tooLarge = (what: string, bytes: number) =>
  new TaskError('output_too_large', `${what} gave more than ${bytes} bytes.`);
