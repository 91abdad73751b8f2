/** What a run is asked for: a chat, and how its tools are chosen, approved and bounded. */
import { z } from 'zod';
import { Intent } from '../../../agents/intent.ts';
import { MAX_PIPELINE } from '../../../agents/run/proposal.ts';
import { MAX_TURN_MESSAGES } from '../../../session.ts';
import { Attachments } from '../attachments.ts';
import { CallSettings } from '../call-settings.ts';
import { ChatInput } from '../chat-request.ts';

const { messages, session_id, model } = ChatInput.shape;

/** Of the settings of a call those that hold for every turn: tools are the run's own, and the form of its answer is free. */
const Settings = z.strictObject(CallSettings).omit({
  ...{ tools: true, tool_choice: true, parallel_tool_calls: true, response_format: true },
}).shape;
const settingNames = Object.keys(Settings) as (keyof typeof Settings)[];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_TOOLS = 64;
const ToolName = z.string().min(1).max(64);

const ClientTool = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1–64 letters, digits, _ or -')
    .meta({ description: 'What the model calls it' }),
  description: z
    .string()
    .max(4_000)
    .optional()
    .meta({ description: 'What it does, and when to call it; for the model' }),
  parameters: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: 'JSON schema of its arguments, an object' }),
});

export const AgenticInput = z
  .strictObject({
    ...{ messages, session_id, model },
    ...Settings,
    ...Attachments,
    force_intent: Intent.optional().meta({ description: 'What is wanted, instead of finding it out' }),
    mode: z.enum(['loop', 'pipeline']).optional().meta({
      description:
        '`loop`: the model calls tools until it answers. `pipeline`: tools follow one another as the intent asks. Default: `loop` with a model that calls tools',
    }),
    tools: z
      .array(ToolName)
      .max(MAX_TOOLS)
      .optional()
      .meta({ description: 'Names of the tools that may be used; default: all that are available' }),
    tool_options: z
      .record(z.string(), z.unknown())
      .default({})
      .meta({ description: 'Options of tools, side by side: each belongs to the tools that declare it' }),
    client_tools: z
      .array(ClientTool)
      .max(MAX_TOOLS)
      .default([])
      .meta({ description: 'Functions of your own: a call of one parks the task until you send what it gave' }),
    parallel: z.boolean().default(false).meta({ description: 'Runs up to five calls of a turn at once' }),
    proposal_action: z.enum(['approved', 'modified', 'custom_spec']).optional().meta({
      description: '`modified` and `custom_spec` need a `proposal_pipeline`; with `approved` it is not looked at',
    }),
    proposal_pipeline: z
      .array(ToolName)
      .min(1)
      .max(MAX_PIPELINE)
      .optional()
      .meta({ description: 'Names of the tools of a pipeline, in order: they are taken instead of the proposed ones' }),
    require_approval: z
      .union([z.boolean(), z.array(ToolName).max(MAX_TOOLS)])
      .default(false)
      .meta({ description: 'Asks a person before each call, or before those of the tools named' }),
    approval_timeout_ms: z
      .int()
      .min(1_000)
      .max(7 * DAY_MS)
      .default(HOUR_MS)
      .meta({ description: 'How long a person has to answer, in milliseconds' }),
    on_expiry: z
      .enum(['expire', 'resume'])
      .default('expire')
      .meta({ description: 'When nobody answers: the task expires, or goes on without that call' }),
    max_steps: z.int().min(1).max(50).default(10).meta({ description: 'Most turns of the model' }),
    max_total_tokens: z
      .int()
      .min(1)
      .max(100_000_000)
      .optional()
      .meta({ description: 'Tokens after which nothing more is begun; the run ends with what it has' }),
  })
  .refine(({ session_id: id, messages: all }) => id === undefined || all.length <= MAX_TURN_MESSAGES, {
    path: ['messages'],
    message: `must have at most ${MAX_TURN_MESSAGES} messages with session_id: the new ones only`,
  })
  .refine(({ proposal_action: action, proposal_pipeline: tools }) => !needsPipeline(action) || tools !== undefined, {
    path: ['proposal_pipeline'],
    message: 'must name the tools that are wanted instead',
  })
  .superRefine(({ client_tools: tools }, { addIssue }) => {
    const names = tools.map(({ name }) => name);
    for (const [index, name] of names.entries())
      if (names.indexOf(name) < index)
        addIssue({ code: 'custom', path: ['client_tools', index, 'name'], message: 'names another function above' });
  })
  .refine(({ mode, client_tools: tools }) => mode !== 'pipeline' || tools.length === 0, {
    path: ['client_tools'],
    message: 'are called by a model: not in mode pipeline',
  })
  .meta({
    examples: [{ messages: [{ role: 'user', content: 'What is 17 % of 2,340, and what time is it in Seoul?' }] }],
    dependentSchemas: { session_id: { properties: { messages: { maxItems: MAX_TURN_MESSAGES } } } },
  });
export type AgenticInput = z.output<typeof AgenticInput>;

const needsPipeline = (action: string | undefined) => action === 'modified' || action === 'custom_spec';

/** The tools that a client wants instead of those that would be proposed. */
export const wantedPipeline = ({ proposal_action: action, proposal_pipeline: tools }: AgenticInput) =>
  action === 'approved' ? undefined : tools;

/** The settings of its model calls. */
export const settingsOf = (input: AgenticInput) =>
  Object.fromEntries(settingNames.map((name) => [name, input[name]])) as Pick<AgenticInput, keyof typeof Settings>;
