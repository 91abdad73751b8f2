/** `chat.classify`: says what a request wants, without doing it. */
import { z } from 'zod';
import { Classification, Intent, intents } from '../../agents/intent.ts';
import { classifyWithModel } from '../../agents/intents/classify-with-model.ts';
import { defineJobType } from '../../job-type.ts';

const MAX_QUERY = 20_000;

export const chatClassify = defineJobType({
  name: 'chat.classify',
  route: '/api/chat/classify',
  waitSeconds: 10,
  concurrency: 50,
  attempts: 3,
  timeoutMs: 60_000,
  input: z
    .strictObject({
      query: z.string().min(1).max(MAX_QUERY).meta({ description: 'The request, as its user wrote it' }),
      before: z.string().max(MAX_QUERY).optional().meta({
        description: 'What the user said before it, for a request such as `And tomorrow?`',
      }),
      available_intents: z.array(Intent).min(1).max(intents.length).optional().meta({
        description: 'What it may want; default: every intent. Where none of these fits the answer is `chat`',
      }),
      model: z.string().min(1).max(200).optional().meta({
        description:
          'The model that is asked where rules are not sure, as `provider/model` or a name of the default provider',
      }),
    })
    .meta({ examples: [{ query: '내일 오후 3시에 치과 예약 일정 넣어줘' }] }),
  output: Classification,
  run: ({ query, before, available_intents, model }, { llm, signal, intents: { modelMs } }) =>
    classifyWithModel(query, { before, available: available_intents, model, llm, signal, modelMs }),
});
