/** What a run gives. */
import { z } from 'zod';
import { Classification } from '../../../agents/intent.ts';
import { Content } from '../message.ts';

const Count = z.int().min(0);

const ToolOutcome = z.object({
  tool: z.string().meta({ description: 'The tool' }),
  arguments: z.unknown().meta({ description: 'What it was called with' }),
  result: z.unknown().meta({ description: 'What it gave, cut in the middle where it is long; of an error, why' }),
  status: z.enum(['completed', 'error']).meta({ description: 'Whether it succeeded' }),
});

const EXAMPLE = {
  success: true,
  role: 'assistant',
  content: 'It is 397.8.',
  tool_count: 1,
  results: [
    { tool: 'calculator', arguments: { expression: '0.17 * 2340' }, result: { value: 397.8 }, status: 'completed' },
  ],
  intent: {
    primary_intent: 'chat',
    confidence: 0.7,
    secondary_intents: [],
    extracted_entities: {},
    reasoning: 'Nothing in it speaks for a tool. Confidence is medium.',
  },
  mode: 'loop',
  model: 'llama3.2',
  provider: 'vllm',
  finish_reason: 'stop',
  steps: 2,
} as const;

export const AgenticOutput = z
  .object({
    success: z.boolean().meta({ description: 'False when any tool failed, or the run ended before its time' }),
    role: z.literal('assistant').meta({ description: 'The speaker, as in a message' }),
    content: z.string().meta({ description: 'The whole text of the answer' }),
    tool_count: Count.meta({ description: 'How many calls there were' }),
    results: z.array(ToolOutcome).meta({ description: 'What the calls came to, in their order' }),
    intent: Classification,
    mode: z.enum(['loop', 'pipeline']).meta({ description: 'How the tools were chosen' }),
    model: z.string().meta({ description: 'The model that answered; `none` when none was called' }),
    provider: z.string().meta({ description: 'The provider of that model' }),
    finish_reason: z.string().meta({
      description:
        'Why it ended: as the model says (`stop`), `limit` when its steps, tokens or time were over, `incomplete` when it was cancelled or failed',
    }),
    heard: z.array(Content).optional().meta({ description: 'What was said to it while it ran, in order' }),
    steps: Count.meta({ description: 'Turns of the model, or tools of the pipeline' }),
  })
  .meta({ examples: [EXAMPLE] });
export type AgenticOutput = z.infer<typeof AgenticOutput>;
