/** Context: everything a handler may touch. Job types import no SDK; what they need arrives here. */

import { TaskError } from './errors.ts';
import type { EventData, HandlerEventType } from './event-data.ts';
import type { Log } from './log.ts';
import type { ChatCall, ChatChunk, ChatOutcome, ContentPart } from './provider.ts';

/** Puts events on the task's log. Resolves at once while little is pending, and waits when Redis is slower than the handler. */
export type Emit = {
  <Type extends HandlerEventType>(type: Type, data: EventData[Type]): Promise<void>;
  /** A piece of output, in order. Counted against the output limit: beyond it throws `output_too_large`. */
  text(content: string, extra?: { tool?: string; index?: number }): Promise<void>;
};

/** Model calls. `signal` ends one before the attempt's own does; `model` may be `provider/model`, a plain model of the default provider, or absent. */
export type Llm = {
  chat(
    call: Omit<ChatCall, 'model' | 'signal'> & { model?: string | undefined; signal?: AbortSignal | undefined },
  ): AsyncIterable<ChatChunk>;
  /** What a model of this name can do. Where nobody says that it cannot, it calls tools. */
  describe(model: string | undefined): Promise<{ tools: boolean; contextTokens: number | undefined }>;
  /**
   * Texts as vectors, in their order and all of one length, by a model that has them; any number of texts. `model` is named as for
   * `chat`, and must be. Throws `provider_refused` when it has none.
   */
  embed(
    texts: string[],
    call: { model: string; dimensions?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ vectors: number[][]; model: string; provider: string }>;
  /** The `provider/model` that a call of this name, or of none, goes to. */
  resolve(model: string | undefined): Promise<string>;
  /** What the calls of this attempt amounted to so far; `finish_reason` is `incomplete` until the model said it was done. */
  outcome(): ChatOutcome;
};

/** Answers of requests that allowed to keep them, by whatever decides the answer. */
export type Answers = {
  /** Null when there is none, also while Redis is away. `keep` puts one in; false when it was not kept. */
  find<Answer>(request: unknown): Promise<{ answer: Answer | null; keep(answer: Answer): Promise<boolean> }>;
};

/** What a handler asks of a person. */
export type ApprovalRequest = {
  /** Names this question within the task, so that a resumed attempt finds its answer. */
  key: string;
  tool: string;
  arguments: unknown;
  expiresInMs: number;
  /** What happens when nobody answers: the task expires, or resumes with `{action: 'expired'}`. */
  onExpiry?: 'expire' | 'resume';
  /** The answers a person may give; by default run, deny, cancel (the whole task) and change_tool. */
  actions?: string[];
};

/** `expired` is the action of nobody. `tool` and `arguments` are what a person would have instead of what was asked. */
export type ApprovalAnswer = {
  approval_id: string;
  action: string;
  by: string;
  tool?: string | undefined;
  arguments?: unknown;
  /** What else in this task needs no further answer: nothing, this tool, every tool. */
  scope?: 'once' | 'tool' | 'all' | undefined;
  reason?: string | undefined;
  /** What functions of the client's own have given, by the ids of their calls. */
  results?: { id: string; content: string; is_error?: boolean | undefined }[] | undefined;
};

/** What a step is given. Model calls by this `llm` count with the step. */
export type StepRun = {
  /** The same in every attempt: for whoever is asked to do something once. */
  idempotencyKey: string;
  signal: AbortSignal;
  llm: Llm;
};

/** What running a step a second time would do: nothing; the same, by its idempotency key; the same once more, which never happens. */
export type StepEffect = 'none' | 'idempotent' | 'once';

/** A piece of a handler's work whose result, any JSON, later attempts of the task find instead of doing it again. */
export type Step<Result> = {
  effect: StepEffect;
  /** Once it has begun it is waited for, also when the attempt ends. */
  run(given: StepRun): Promise<Result>;
  /** Emits again what the step has shown, when readers were told to drop it. */
  show?(result: Result): Promise<void>;
  /** Of a step with effect `once` that a lost attempt had begun: what came of it, or null when that cannot be told. */
  reconcile?(given: StepRun): Promise<{ result: Result } | null>;
};

/**
 * What a client has sent to a running task. `steer`: for the next turn of the work; `follow_up`: for when the work is done. `at` in
 * ms, Redis TIME.
 */
export type InboxMessage = {
  id: string;
  mode: 'steer' | 'follow_up';
  content: string | ContentPart[];
  at: number;
};

/**
 * Whether a step with effect `once` had its effect is not known: the attempt that had begun it was lost, or failed. A handler that
 * lets it pass ends its task as failed: no further attempt would know more.
 */
export class StepUnknown extends TaskError {
  readonly key: string;

  constructor(key: string) {
    super(
      'effect_unknown',
      `The step ${key} was interrupted. It is not known whether it was done, and it is not done again.`,
    );
    this.name = 'StepUnknown';
    this.key = key;
  }
}

/** What the kernel gives a handler; parts add their own by augmenting the interface `Context`. */
export type KernelContext = {
  emit: Emit;
  /** Aborts on cancel, deadline, shutdown and loss of the task; `reason` is an AttemptStop or a TaskError. */
  signal: AbortSignal;
  llm: Llm;
  answers: Answers;
  log: Log;
  /**
   * The answer of a person. When there is none yet this throws `ApprovalPending`, which parks the task without holding
   * a worker; the next attempt, after the answer, gets it here. Other arguments under the same key are another question. An answer with a
   * wider scope stands for later questions too.
   */
  approve(request: ApprovalRequest): Promise<ApprovalAnswer>;
  /**
   * Does a step, unless an earlier attempt has finished it. The key names its place in the work, the same in every attempt; it
   * has at most 512 characters.
   * Throws `StepUnknown`, and `output_too_large` when its result, or the results of all, are.
   */
  step<Result>(key: string, step: Step<Result>): Promise<Result>;
  /**
   * Of a job type that takes messages: those for the step of this key, which is to begin next. An attempt that finds the step
   * finished gets what it had. Takes what is to steer the work; after `closeInbox` has given false, all there is. Tells readers
   * (`steered`).
   */
  inbox(key: string): Promise<InboxMessage[]>;
  /**
   * Before the handler returns: true when nothing is unread, and from then on messages are refused. False: the work has one more
   * turn, whose `inbox` gives what came. A handler that returns without it leaves what is unread for the client to see (`unread_messages`).
   */
  closeInbox(): Promise<boolean>;
  /** How much time the attempt has left. */
  timeLeftMs(): number;
  /** What there is of the output beside its text: `partial` of the job type gets the last one when it ends before its time. */
  keep(part: unknown): void;
};

export interface Context extends KernelContext {
  taskId: string;
  attempt: number;
}

/** Thrown by `approve`; let it pass. */
export class ApprovalPending extends Error {
  readonly request: ApprovalRequest;

  constructor(request: ApprovalRequest) {
    super('waits for an answer');
    this.name = 'ApprovalPending';
    this.request = request;
  }
}

/**
 * Why an attempt was stopped from outside: the task was cancelled; another attempt holds it (nothing more may be
 * written); the worker shuts down and hands it back.
 */
export class AttemptStop extends Error {
  readonly kind: 'cancelled' | 'superseded' | 'shutting_down';

  constructor(kind: AttemptStop['kind']) {
    super(`the attempt was stopped: ${kind}`);
    this.name = 'AttemptStop';
    this.kind = kind;
  }
}
