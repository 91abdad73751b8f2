/** `chat.request`: answers a conversation with one model call, streaming the text. */
import { z } from 'zod';
import { defineJobType } from '../../job-type.ts';
import { MAX_TURN_MESSAGES, SessionId } from '../../session.ts';
import { showAnswer, streamAnswer } from './answer.ts';
import { answerKey } from './answer-key.ts';
import { Attachments, attachedMessages } from './attachments.ts';
import { CallSettings, settingsProblems } from './call-settings.ts';
import { ChatOutput } from './chat-output.ts';
import { chatTurn } from './chat-turn.ts';
import { Message } from './message.ts';

export const ChatInput = z
  .strictObject({
    messages: z.array(Message).min(1).max(10_000).meta({
      description:
        'The conversation so far, oldest first; the model answers the last message. With `session_id` only what is new of it',
    }),
    session_id: SessionId.optional().meta({
      description:
        'A session of yours: the model is shown its recent messages first, and the new ones and the answer are added to it',
    }),
    model: z.string().min(1).max(200).optional().meta({
      description:
        'The model, as `provider/model` or a name of the default provider; without it the default model answers',
    }),
    ...CallSettings,
    enable_thinking: z
      .boolean()
      .optional()
      .meta({ description: 'Asks the model to think aloud in `<think>` tags before it answers' }),
    ...Attachments,
    cache: z.boolean().optional().meta({
      description:
        'Allows an answer that was given to an equal request of yours before, and to keep this one; not with `session_id`',
    }),
  })
  .refine(({ session_id, messages }) => session_id === undefined || messages.length <= MAX_TURN_MESSAGES, {
    path: ['messages'],
    message: `must have at most ${MAX_TURN_MESSAGES} messages with session_id: the new ones only`,
  })
  .refine(({ session_id, cache }) => session_id === undefined || !cache, {
    path: ['cache'],
    message: 'is not for a request with session_id: its answer depends on the conversation',
  })
  .superRefine((input, context) => {
    for (const problem of settingsProblems(input)) context.addIssue({ code: 'custom', ...problem });
  })
  .meta({
    examples: [{ messages: [{ role: 'user', content: 'What is a queue?' }] }],
    dependentSchemas: {
      session_id: { properties: { messages: { maxItems: MAX_TURN_MESSAGES }, cache: { const: false } } },
    },
  });
export type ChatInput = z.infer<typeof ChatInput>;

const THINK = 'Think step by step inside <think></think> tags first, then give the answer after them.';

const thinking: Message = { role: 'system', content: THINK };

/** Ends of an answer that is whole, and may be given again. */
const WHOLE = ['stop', 'tool_calls'];

export const chatRequest = defineJobType({
  name: 'chat.request',
  // 3: functions, forms of answers, further settings. A runner that does not know them would answer as if they were not there.
  version: 3,
  route: '/api/chat',
  concurrency: 50,
  attempts: 3,
  timeoutMs: 300_000,
  input: ChatInput,
  output: ChatOutput,
  sessionOf: ({ session_id }) => session_id,

  async run(input, { llm, session, answers, emit }) {
    const { messages: _, session_id, images, files, enable_thinking, cache, ...settings } = input;
    const window = await session.window(session_id, attachedMessages(input));
    const call = {
      ...settings,
      model: input.model ?? (await session.model(session_id)),
      messages: enable_thinking ? [thinking, ...window] : window,
    };
    const kept = cache ? await answers.find<ChatOutput>(answerKey(call, await llm.resolve(call.model))) : null;
    if (kept?.answer) {
      await showAnswer(emit, kept.answer);
      return { ...kept.answer, metadata: { ...kept.answer.metadata, cache: 'hit' } };
    }

    const content = await streamAnswer({ llm, emit }, call);
    const { usage, note, isModel, ...outcome } = llm.outcome();
    const metadata = note ? { note } : undefined;
    const answer = { role: 'assistant' as const, content, ...outcome, ...(metadata ? { metadata } : {}) };
    const stored = WHOLE.includes(outcome.finish_reason) && (await kept?.keep(answer));
    return stored ? { ...answer, metadata: { ...metadata, cache: 'stored' } } : answer;
  },

  change: (input, task) =>
    input.session_id === undefined ? null : chatTurn(input.session_id, attachedMessages(input), task),

  partial(text, { model, provider }) {
    return text === ''
      ? null
      : { role: 'assistant' as const, content: text, model, provider, finish_reason: 'incomplete' };
  },
});
