/**
 * A part: a feature that adds to a task's life without the kernel knowing it. It has a room of its own and hangs itself on
 * these points; `parts.ts` lists all of them. Hooks are asked one part after the other, in the order of the list.
 */
import type { ApprovalAnswer, AttemptStop, Context } from './context.ts';
import type { FieldError, TaskError } from './errors.ts';
import type { JobType } from './job-type.ts';
import type { ArchivedTask } from './store.ts';
import type { Approval, Marks, TaskRecord } from './task.ts';

/** Options of a submit that parts take. A part declares its own by augmenting this interface. */
// biome-ignore lint/suspicious/noEmptyInterface: parts augment it
export interface PartOptions {}

/**
 * A checked submit before its task is created, under the id that the task will have. `inputPath` leads to the input in the
 * request's body, for error messages.
 */
export type Admission = {
  id: string;
  owner: string;
  type: JobType;
  input: unknown;
  inputPath: string[];
  options: PartOptions;
  /** It may not start yet. */
  isScheduled: boolean;
};

/**
 * A queued task that a runner has just taken, before anything was read of it. `fence` names the execution that may follow.
 * `marks` reads those of the task, once for all parts.
 */
export type TakenTask = { id: string; type: JobType; fence: string; marks(): Promise<Marks> };

/** A person's answer to what a task asks, before it counts. */
export type Answering = {
  type: JobType;
  asked: Approval;
  answer: Pick<ApprovalAnswer, 'action' | 'tool' | 'arguments' | 'results'>;
};

/**
 * Not yet: the task sleeps until then (ms, Redis TIME). With a reason (a word of the `waiting` event) its record and its
 * readers are told; without one it steps back in silence.
 */
export type Wait = { until: number; reason?: string };

/** One execution of a task. `fence` is its own. */
export type Attempt = {
  id: string;
  attempt: number;
  fence: string;
  owner: string;
  type: JobType;
  marks: Marks;
  signal: AbortSignal;
};

/** How an attempt ended. */
export type Outcome =
  | { kind: 'completed' }
  | { kind: 'parked' }
  | { kind: 'stopped'; by: AttemptStop['kind'] }
  | { kind: 'failed'; error: TaskError };

/** A task whose `ended` failed while those of the others did not. `what` says, in the log, what is given up in the end. */
export type Failure = { id: string; what: string; error: unknown };

export type Part = {
  name: string;
  /**
   * In the API, before the task is created: throws a TaskError when it may not be, else gives the marks of the task. A
   * refusal does not count when the request's Idempotency-Key has made its task already. `retryOf` is the task that is retried.
   */
  admit?(request: Admission, retryOf: TaskRecord | undefined): Promise<Marks>;
  /** In the API, before an answer counts: gives every field of it that the task would not take. */
  answering?(answering: Answering): Promise<FieldError[]>;
  /**
   * In the API, after `admit`: whether the task was created. False where it was not, or was made by an earlier request with its
   * Idempotency-Key. Not called where nobody knows, nor where the API has died.
   */
  submitted?(request: Admission, marks: Marks, created: boolean): Promise<void>;
  /**
   * In a runner, before the attempt is counted: null lets it begin. Holding it back makes no attempt and discards nothing. When
   * it throws, or takes longer than five seconds, it is asked again later.
   */
  hold?(task: TakenTask): Promise<Wait | null>;
  /**
   * In a runner, at its start: what it can do beside its job types, in words without spaces. It announces them as long as it lives.
   * `types`: the job types that it takes.
   */
  offers?(types: readonly string[]): string[];
  /** In a runner, before the handler. What it throws ends the attempt as if the handler had thrown it. */
  begin?(attempt: Attempt, input: unknown): Promise<void>;
  /** In a runner: what handlers may touch. A part declares its fields by augmenting the interface Context. */
  context?(attempt: Attempt): Partial<Context>;
  /** In a runner, when the attempt is over, however: gives back what was reserved, within five seconds. */
  left?(attempt: Attempt, outcome: Outcome): Promise<void>;
  /**
   * In a relay, when the store has the tasks; may be called twice. Throws StoreAway while the store is away, and the batch
   * waits; gives those that failed alone, which are tried again later. When it throws anything else it gets each task alone.
   * `replacing`: tasks, by id, that had ended before, and whose earlier end Redis has lost.
   */
  ended?(tasks: ArchivedTask[], replacing: ReadonlySet<string>): Promise<Failure[]>;
};
