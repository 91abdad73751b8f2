/**
 * What a tool is: one file in `tools/` and one line in `tools/catalog.ts`. From it follow its row in the list of tools, the
 * JSON schema that a model is given, and its rules of approval and effect.
 */
import { z } from 'zod';
import type { Context, Llm, StepEffect } from '../context.ts';
import type { ChatCall, ChatMessage } from '../provider.ts';
import type { Intent } from './intent.ts';

/** What a tool cannot work without: a variable that holds a key, or a part of the system by the name of its job type. */
export type Need = { key: string } | { part: string };

/** What a model is asked with besides its messages and tools. */
export type CallSettings = Partial<Omit<ChatCall, 'model' | 'messages' | 'tools' | 'signal'>>;

/** What a tool gave in this run, or why it gave nothing. */
export type ToolOutcome = {
  tool: string;
  arguments: unknown;
  /** Any JSON; of an error, a sentence. */
  result: unknown;
  status: 'completed' | 'error';
};

/** What a runner gives every tool. A tool that needs more declares it by augmenting this interface, as `registry/services.ts` does. */
// biome-ignore lint/suspicious/noEmptyInterface: it is augmented
export interface ToolServices {}

/** What a tool is given of the run that calls it. */
export interface ToolContext extends ToolServices {
  /** The last message of the user, as text. */
  query: string;
  /** The whole conversation, the session's window included. */
  messages: readonly ChatMessage[];
  /** What the tools before it gave, oldest first. */
  results: readonly ToolOutcome[];
  /** The model that the request names. */
  model: string | undefined;
  /** How the request wants its models to answer (`temperature`, `max_tokens`, …): for calls whose text is for the user. */
  settings: CallSettings;
  /** Model calls. They count with the step of this call. */
  llm: Llm;
  signal: AbortSignal;
  /** The same in every attempt, for whoever is asked to do something once. */
  idempotencyKey: string;
  /** Names the place of this call in its task, the same in every attempt. */
  place: string;
  /** What the handler that calls it has, for tools that are job types. */
  handler: Context;
  /** A piece of the tool's answer, which readers see at once. */
  text(content: string): Promise<void>;
  /** How far it is; `done` from 0 to 1. */
  progress(step: string, message: string, done?: number): Promise<void>;
}

/** What is known of a tool without running it: its row in the list of tools. `Options`: what of a request's `tool_options` it takes. */
export type ToolRow<
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodType = z.ZodType,
  Options extends z.ZodObject = z.ZodObject,
> = {
  /** Lower-case words joined by underscores: the name that models call. */
  name: string;
  title: { en: string; ko: string };
  /** For the model too: what it does, and when to call it. */
  description: string;
  descriptionKo?: string;
  intents: readonly Intent[];
  /** Of tools that serve the same intent the highest is taken. */
  priority: number;
  needs: readonly Need[];
  /** What calling it a second time would do. */
  effect: StepEffect;
  /** Whether a person is asked before it runs. */
  approval: 'never' | 'always' | ((args: z.output<Input>) => boolean);
  input: Input;
  output: Output;
  options: Options;
  /** Whether a model that calls tools is offered it: not what a model does by itself. */
  forModels: boolean;
  /** Whether its text is the model's own, piece by piece. */
  streams: boolean;
};

/** Arguments are checked by `input` before `run`, options by `options`, and what it gives by `output` afterwards. */
export type Tool<
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodType = z.ZodType,
  Options extends z.ZodObject = z.ZodObject,
> = ToolRow<Input, Output, Options> & {
  /** The arguments of a call that no model has written: the query and what was found so far. Undefined: not without a model. */
  argumentsOf?(query: string, results: readonly ToolOutcome[]): z.input<Input> | undefined;
  /** Throws a TaskError whose message the model and the client are shown; anything else they are told of as an internal error. */
  run(args: z.output<Input>, context: ToolContext, options: z.output<Options>): Promise<z.input<Output>>;
  /** Of a call with effect `once` that was interrupted: what came of it, or null when that cannot be told. */
  reconcile?(args: z.output<Input>, context: ToolContext): Promise<{ result: z.input<Output> } | null>;
};

/** What most tools leave out. */
type Common = 'forModels' | 'needs' | 'approval' | 'options' | 'streams';
type Given<Whole extends ToolRow> = Omit<Whole, Common> & Partial<Pick<Whole, Common>>;

const whole = (row: object) => ({
  ...{ forModels: true, needs: [], approval: 'never', streams: false, options: z.strictObject({}) },
  ...row,
});

/** Checks the shape at compile time and fills what most tools leave out. */
export const defineTool = <Input extends z.ZodObject, Output extends z.ZodType, Options extends z.ZodObject>(
  tool: Given<Tool<Input, Output, Options>>,
) => whole(tool) as unknown as Tool;

/** The row of a tool that a job type is to bring (`asTool`): it is listed, and says what it needs. */
export const defineRow = <Input extends z.ZodObject, Output extends z.ZodType, Options extends z.ZodObject>(
  row: Given<ToolRow<Input, Output, Options>>,
) => whole(row) as unknown as ToolRow;
