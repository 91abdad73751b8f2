/** A job type that offers itself as a tool: it runs inside the attempt of the agent that calls it, with no task of its own. */
import type { z } from 'zod';
import type { Context, Emit, StepEffect } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { JobType } from '../../job-type.ts';
import { fieldIssues, issueWords } from '../../text.ts';
import { defineTool, type Tool, type ToolContext, type ToolRow } from '../tool.ts';

/** What the job type says of itself as a tool. Without `input` a call's arguments are the input of the job type. */
export type JobTool<Input extends z.ZodType = z.ZodType> = Pick<ToolRow, 'name' | 'description' | 'intents'> &
  Partial<
    Pick<ToolRow, 'descriptionKo' | 'priority' | 'needs' | 'effect' | 'approval' | 'input' | 'options' | 'streams'>
  > & {
    title: { en: string; ko?: string };
    /** The input of the job type, of a call's arguments and options. */
    inputOf?(
      args: Record<string, unknown>,
      context: Pick<ToolContext, 'query' | 'messages' | 'results' | 'model'>,
      options: Record<string, unknown>,
    ): z.input<Input>;
    argumentsOf?: NonNullable<Tool['argumentsOf']>;
    reconcile?: NonNullable<Tool['reconcile']>;
  };

declare module '../../job-type.ts' {
  interface JobType<Input extends z.ZodType, Output extends z.ZodType> {
    /** Offers the job type to agents as a tool. */
    asTool?: JobTool<Input>;
    /** Its handler calls tools: runners that take it announce theirs. */
    callsTools?: true;
  }
}

const DEFAULT_PRIORITY = 50;

/** What the job type says goes to the readers of the task that calls it, as the tool's. */
function emitOf({ handler, text, progress }: ToolContext): Emit {
  const emit = async (type: string, data: Record<string, unknown>) => {
    if (type === 'progress') await progress(String(data.step), String(data.message ?? ''), data.progress as number);
    // The tool ends its text by itself.
    else if (type !== 'text_done') await handler.emit(type as 'progress', data as { step: string });
  };
  return Object.assign(emit, { text: (content: string) => text(content) }) as Emit;
}

/**
 * The context of the job type's handler, in the place of the call: its steps and questions lie below it. Messages to the task, and
 * what is kept of its output, are the agent's. A call that has its effect once cannot park the task in its midst.
 */
function contextOf(context: ToolContext, name: string, effect: StepEffect): Context {
  const { handler, llm, signal, place } = context;
  return {
    ...handler,
    ...{ llm, signal, emit: emitOf(context) },
    inbox: async () => [],
    closeInbox: async () => true,
    keep: () => undefined,
    step: (key, step) => handler.step(`${place}/${key}`, step),
    approve: async (request) => {
      if (effect === 'once')
        throw new TaskError('internal', `${name} cannot ask a person: a call of it has its effect once.`);
      return handler.approve({ ...request, key: `${place}/${request.key}` });
    },
  };
}

function inputFrom({ input }: JobType, given: unknown): unknown {
  const parsed = input.safeParse(given, { error: issueWords });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .flatMap(fieldIssues)
    .map(({ path, message }) => `${path.map(String).join('.')}: ${message}`);
  throw new TaskError('invalid_request', `The call makes no input that the tool takes: ${problems.join('; ')}`);
}

/** The tool that a job type is; undefined when it offers none. */
export function jobTool(type: JobType): Tool | undefined {
  if (!type.asTool) return undefined;
  const { title, inputOf, ...row } = type.asTool;
  const input = row.input ?? (type.input as z.ZodObject);
  // What may be started again changes nothing that a second time would change again.
  const effect = row.effect ?? (type.mayRestart ? 'none' : 'once');
  return defineTool({
    priority: DEFAULT_PRIORITY,
    // What is asked a question can be asked the user's.
    ...(Object.hasOwn(input.shape, 'query') ? { argumentsOf: (query: string) => ({ query }) } : {}),
    ...row,
    effect,
    title: { en: title.en, ko: title.ko ?? title.en },
    input,
    output: type.output,
    async run(args, context, options) {
      // Without a form of its own a call has the job type's input already, and its transforms are not done twice.
      const isInput = row.input === undefined && inputOf === undefined;
      const given = inputOf ? inputOf(args, context, options) : args;
      return type.run(isInput ? given : inputFrom(type, given), contextOf(context, row.name, effect));
    },
  });
}
