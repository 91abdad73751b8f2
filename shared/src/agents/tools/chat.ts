/** `chat`: answers the conversation, with what other tools have found. */
import { z } from 'zod';
import { defineTool } from '../tool.ts';
import { answer, foundSoFar } from './answer.ts';

export const chat = defineTool({
  name: 'chat',
  title: { en: 'Chat', ko: '대화' },
  description: 'Answers the conversation by the model itself, with what other tools have found so far.',
  descriptionKo: '다른 도구의 결과를 바탕으로 모델이 직접 대화에 답합니다.',
  intents: ['chat'],
  priority: 100,
  effect: 'none',
  streams: true,
  forModels: false,
  input: z.strictObject({
    query: z
      .string()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: 'What to answer; without it the last message' }),
  }),
  output: z.object({
    content: z.string().meta({ description: 'The answer' }),
    model: z.string().meta({ description: 'The model that answered' }),
    has_context: z.boolean().meta({ description: 'Whether there was something before the query: messages or results' }),
  }),
  argumentsOf: () => ({}),
  async run({ query }, context) {
    const { messages, results } = context;
    const asked = query === undefined || query === context.query ? [] : [{ role: 'user' as const, content: query }];
    const said = await answer(context, [...foundSoFar(results), ...messages, ...asked]);
    return { ...said, has_context: messages.length > 1 || results.length > 0 };
  },
});
