/** `calculator`: the exact value of an expression, which models guess. */
import { z } from 'zod';
import { defineTool } from '../tool.ts';
import { evaluate, KNOWN, MAX_LENGTH } from './arithmetic.ts';

/** Without words, and with a number. */
const IS_EXPRESSION = /^(?=.*\d)[\d\s.()+\-*/%^×÷−]+[\s=?]*$/s;

export const calculator = defineTool({
  name: 'calculator',
  title: { en: 'Calculator', ko: '계산기' },
  description:
    'Works out an arithmetic expression exactly. Use it for every calculation beyond what is trivial, instead of calculating yourself.',
  descriptionKo: '수식을 정확하게 계산합니다.',
  intents: ['chat', 'agent', 'code'],
  priority: 30,
  effect: 'none',
  input: z.strictObject({
    expression: z
      .string()
      .min(1)
      .max(MAX_LENGTH)
      .meta({ description: `Numbers and these: ${KNOWN} ( ) . Example: sqrt(2) * (3 + 4)^2` }),
  }),
  output: z.object({ value: z.number().meta({ description: 'The value' }) }),
  argumentsOf: (query) =>
    query.length <= MAX_LENGTH && IS_EXPRESSION.test(query) ? { expression: query.replace(/[\s=?]+$/, '') } : undefined,
  run: async ({ expression }) => ({ value: evaluate(expression) }),
});
