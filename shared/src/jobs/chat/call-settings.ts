/** How a model is to answer: settings of one call. */
import { z } from 'zod';
import { JsonSchema } from './json-schema.ts';

const MAX_TOOLS = 128;
const MAX_STOPS = 16;
const MAX_EXTRAS = 64;

const FunctionName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must have 1 to 64 characters, each of them a letter of a to z, a digit, _ or -');

const Tool = z.strictObject({
  type: z.literal('function').meta({ description: 'What it is' }),
  function: z
    .strictObject({
      name: FunctionName.meta({ description: 'Its name, by which the model calls it' }),
      description: z.string().optional().meta({ description: 'What it does, and when it is to be called' }),
      parameters: z
        .record(z.string(), z.unknown())
        .meta({ description: 'A JSON schema of its arguments, an object. The model gets it as it is' })
        .refine(({ type = 'object' }) => type === 'object', { path: ['type'], message: 'must be "object"' })
        .optional(),
      strict: z.boolean().optional().meta({ description: 'Holds the model to the schema, where the provider can' }),
    })
    .meta({ description: 'The function' }),
});

const ToolChoice = z
  .union([
    z.enum(['auto', 'none', 'required']),
    z.strictObject({
      type: z.literal('function').meta({ description: 'What must be called' }),
      function: z
        .strictObject({ name: z.string().meta({ description: 'Name of one of `tools`' }) })
        .meta({ description: 'The function' }),
    }),
  ])
  .meta({
    description:
      'Whether the model may call a function (`auto`, the default), may not (`none`), must (`required`), or must call this one',
  });

const ResponseFormat = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text').meta({ description: 'Text, the default' }) }),
    z.strictObject({ type: z.literal('json_object').meta({ description: 'JSON, an object of any shape' }) }),
    z.strictObject({
      type: z.literal('json_schema').meta({ description: 'JSON that a schema describes' }),
      json_schema: z
        .strictObject({
          name: FunctionName.meta({ description: 'Names the schema for the model' }),
          description: z.string().optional().meta({ description: 'What the answer is, for the model' }),
          schema: JsonSchema('the answer'),
          strict: z.boolean().optional().meta({ description: 'Holds the model to the schema, where the provider can' }),
        })
        .meta({ description: 'The schema. The answer is checked against it here, whatever the provider promised' }),
    }),
  ])
  .meta({ description: 'The form of the answer. JSON comes as one piece, once it has been checked' });

/** What `extra` is not for: it has a field of its own, or is ours to decide. */
const OWN = [
  ...['model', 'messages', 'stream', 'stream_options', 'n', 'functions', 'function_call', 'max_completion_tokens'],
  ...['temperature', 'max_tokens', 'top_p', 'frequency_penalty', 'presence_penalty', 'tools', 'tool_choice'],
  ...['parallel_tool_calls', 'response_format', 'stop', 'seed', 'reasoning_effort'],
];

const Extra = z
  .record(z.string().min(1).max(100), z.unknown())
  .superRefine((extra, context) => {
    if (Object.keys(extra).length > MAX_EXTRAS)
      context.addIssue({ code: 'custom', message: `must have at most ${MAX_EXTRAS} fields` });
    for (const name of OWN)
      if (Object.hasOwn(extra, name))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'is not for extra: it is a field of its own, or not offered',
        });
  })
  .meta({
    description: 'Parameters that only the server of the model knows (`top_k`, `min_p`, …), passed on as they are',
    maxProperties: MAX_EXTRAS,
  });

export const CallSettings = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .optional()
    .meta({ description: 'How freely words are chosen: 0 always takes the likeliest; default: that of the model' }),
  max_tokens: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Most tokens the answer may have; default: that of the model' }),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: 'Chooses only among the likeliest tokens that together have this probability' }),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .optional()
    .meta({ description: 'Above 0, a token is the less likely the more often it was said' }),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .optional()
    .meta({ description: 'Above 0, a token that was said at all is less likely' }),
  tools: z.array(Tool).max(MAX_TOOLS).optional().meta({
    description: 'Functions of yours that the model may call. Nothing here runs them: their calls are the output',
  }),
  tool_choice: ToolChoice.optional(),
  parallel_tool_calls: z
    .boolean()
    .optional()
    .meta({ description: 'False: the model calls at most one function at once' }),
  response_format: ResponseFormat.optional(),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(MAX_STOPS)])
    .optional()
    .meta({ description: 'A text, or several, before which the answer ends' }),
  seed: z
    .int()
    .optional()
    .meta({ description: 'The same seed, and everything else the same, gives nearly the same answer' }),
  reasoning_effort: z.string().min(1).max(40).optional().meta({
    description: 'How long the model thinks first: `none`, `minimal`, `low`, `medium`, `high`, or what it knows',
  }),
  extra: Extra.optional(),
};

type Settings = { [Name in keyof typeof CallSettings]?: z.output<(typeof CallSettings)[Name]> };

/** What of the settings must fit together: gives the path and the problem of each that does not. */
export function settingsProblems({
  tools = [],
  tool_choice,
}: Settings): { path: (string | number)[]; message: string }[] {
  const problems: { path: (string | number)[]; message: string }[] = [];
  const names = tools.map((tool) => tool.function.name);
  for (const [at, name] of names.entries())
    if (names.indexOf(name) < at)
      problems.push({ path: ['tools', at, 'function', 'name'], message: 'must be the name of one tool only' });
  if (tool_choice === 'required' && names.length === 0)
    problems.push({ path: ['tool_choice'], message: 'needs tools: there is nothing to call' });
  if (typeof tool_choice === 'object' && !names.includes(tool_choice.function.name))
    problems.push({ path: ['tool_choice', 'function', 'name'], message: 'must be the name of one of tools' });
  return problems;
}
