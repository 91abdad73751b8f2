/** What a chat gives: a message of the assistant, and what is to be known of it. */
import { z } from 'zod';
import { ToolCallFields } from './tool-call.ts';

export const ChatOutput = z.object({
  role: z
    .literal('assistant')
    .meta({ description: 'The speaker, as in a message: append the output to `messages` to go on' }),
  content: z.string().meta({ description: 'The whole text of the answer; empty when it only calls functions' }),
  tool_calls: z
    .array(ToolCallFields)
    .optional()
    .meta({ description: 'The functions of `tools` that the model calls: append their results to `messages` too' }),
  reasoning: z.string().optional().meta({ description: 'What the model thought, where it tells' }),
  model: z.string().meta({ description: 'The model that answered' }),
  provider: z.string().meta({ description: 'The provider of that model' }),
  finish_reason: z.string().meta({
    description:
      'Why the text ends, as the provider says: `stop`, `length`, …; `tool_calls` when it calls functions; `incomplete` for a part',
  }),
  metadata: z.record(z.string(), z.string()).optional().meta({
    description:
      'What else is to be known, such as a `note` that another model answered than was asked for. `cache` is `hit` of an answer from the cache, `stored` of one that went into it',
  }),
});
export type ChatOutput = z.infer<typeof ChatOutput>;

const ofOutput = z.unknown().optional().meta({ description: 'Taken as it stands in an output, and not read' });

/** What an output holds beside a message's own fields, so that it is a message as it is. */
export const OutputFields = {
  reasoning: ofOutput,
  model: ofOutput,
  provider: ofOutput,
  finish_reason: ofOutput,
  metadata: ofOutput,
  // Of a run of an agent.
  ...{ success: ofOutput, tool_count: ofOutput, results: ofOutput, intent: ofOutput },
  ...{ mode: ofOutput, steps: ofOutput, heard: ofOutput },
} satisfies Record<Exclude<keyof ChatOutput, 'role' | 'content' | 'tool_calls'>, z.ZodType>;
