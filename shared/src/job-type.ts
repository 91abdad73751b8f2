/**
 * A job type: the kind of a task. One file in `jobs/` holds its schemas and its handler. Parts add fields of their own by
 * augmenting the interface.
 */
import type { z } from 'zod';
import type { ApprovalAnswer, Context } from './context.ts';
import type { FieldError } from './errors.ts';
import type { ChatOutcome } from './provider.ts';
import type { Approval } from './task.ts';

export interface JobType<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  /** `chat.request`: lower-case words joined by dots. It names the queue too. */
  name: string;
  /** Version of the input's shape. A runner hands a task of a newer version back to the queue. */
  version: number;
  /** A route of its own besides `POST /tasks`. */
  route?: string;
  /** How long a request at that route waits for the end where it does not say; without it: not at all. */
  waitSeconds?: number;
  /** Tasks one runner process works on at once. */
  concurrency: number;
  /** Executions that may fail before the task does. */
  attempts: number;
  /** Bounds one attempt. */
  timeoutMs: number;
  /** False: a lost attempt fails the task instead of running it again. */
  mayRestart: boolean;
  input: Input;
  output: Output;
  run(input: z.output<Input>, context: Context): Promise<z.input<Output>>;
  /** True: steps back while tasks of other types run on this runner or wait for it. */
  background: boolean;
  /** True: clients may send messages to a task while it has not ended; its handler takes them by `inbox`. */
  takesMessages: boolean;
  /**
   * Of a body of its route that is no submit: the answer in it to what a task asks a person now. `path` leads to the answer. Null
   * for a submit. Throws `invalid_request` for one that says it is an answer and names no task.
   */
  attach?(body: unknown): { taskId: string; answer: unknown; path: string[] } | null;
  /** Whether it takes this answer of a person to what it asked: gives every field that it does not. */
  answerProblems?(
    asked: Approval,
    answer: Pick<ApprovalAnswer, 'action' | 'tool' | 'arguments' | 'results'>,
  ): FieldError[];
  /**
   * What a cancelled or failed task keeps of its output, from the text of its last attempt, and what is kept while a person is
   * asked. `kept`: the last the handler gave to `context.keep`; `before`: what this has given when a person was asked, whose
   * text stands before this one.
   */
  partial?(text: string, outcome: ChatOutcome, more: { kept: unknown; before: unknown }): z.input<Output> | null;
}

type WithDefault = 'version' | 'mayRestart' | 'background' | 'takesMessages';

/** Checks the shape at compile time and fills what most types leave out. */
export function defineJobType<Input extends z.ZodType, Output extends z.ZodType>(
  type: Omit<JobType<Input, Output>, WithDefault> & Partial<Pick<JobType<Input, Output>, WithDefault>>,
): JobType<Input, Output> {
  return { version: 1, mayRestart: true, background: false, takesMessages: false, ...type };
}

/** All job types, by name. */
export type Catalog = ReadonlyMap<string, JobType>;
