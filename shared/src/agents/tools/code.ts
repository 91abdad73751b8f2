/** `code`: writes, explains and mends code. */
import { z } from 'zod';
import { defineTool } from '../tool.ts';
import { answer, foundSoFar } from './answer.ts';

const PROMPT = `You write, explain, review and mend code. Give complete code that runs, in fenced blocks that name their language. Keep to the language and the style of the code you are shown. Say in a few sentences what you did, what it assumes, and how to try it. If something that matters is not known, say what you took it to be.`;

export const code = defineTool({
  name: 'code',
  title: { en: 'Code', ko: '코드' },
  description: 'Writes, explains, reviews or mends program code.',
  descriptionKo: '코드를 작성하고, 설명하고, 검토하고, 고칩니다.',
  intents: ['code'],
  priority: 70,
  effect: 'none',
  streams: true,
  forModels: false,
  input: z.strictObject({
    task: z
      .string()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: 'What is to be done; without it the last message' }),
  }),
  output: z.object({
    content: z.string().meta({ description: 'The code, and what is to be said of it' }),
    model: z.string().meta({ description: 'The model that wrote it' }),
  }),
  argumentsOf: () => ({}),
  async run({ task }, context) {
    const { messages, results } = context;
    const asked = task === undefined || task === context.query ? [] : [{ role: 'user' as const, content: task }];
    return answer(context, [{ role: 'system', content: PROMPT }, ...foundSoFar(results), ...messages, ...asked]);
  },
});
