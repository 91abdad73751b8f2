/** `chat.request`: answers a conversation with one model call, streaming the text. */
import { z } from 'zod';
import { defineJobType } from '../../job-type.ts';
import { MAX_TURN_MESSAGES, SessionId } from '../../session.ts';
import { answerKey } from './answer-key.ts';
import { chatTurn } from './chat-turn.ts';

const ImageUrl = z
  .string()
  .regex(/^(https?:\/\/|data:image\/[a-z0-9.+-]+;base64,)/, 'must be an http(s) URL or a data:image/…;base64, URL')
  .meta({ description: 'Where the image is: an http(s) URL, or the image itself as a data URL' });

export const ContentPart = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('text').meta({ description: 'A piece of text' }),
    text: z.string().meta({ description: 'The text itself' }),
  }),
  z.strictObject({
    type: z.literal('image_url').meta({ description: 'An image' }),
    image_url: z.strictObject({ url: ImageUrl }).meta({ description: 'The image, for models that see' }),
  }),
]);

export const MessageFields = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']).meta({
    description: 'Who speaks: `system` instructs the model, `user` asks it, `assistant` is what it answered before',
  }),
  content: z
    .union([z.string(), z.array(ContentPart).min(1)])
    .meta({ description: 'What is said: a text, or parts that are text or images' }),
});

const ofOutput = z.unknown().optional().meta({ description: 'Taken as it stands in an output, and not read' });

/** What an output holds beside a message's own fields, so that it is a message as it is. */
export const OutputFields = {
  model: ofOutput,
  provider: ofOutput,
  finish_reason: ofOutput,
  metadata: ofOutput,
} satisfies Record<Exclude<keyof ChatOutput, keyof Message>, z.ZodType>;

const Message = MessageFields.extend(OutputFields)
  .transform(({ role, content }) => ({ role, content }))
  .pipe(MessageFields);
type Message = z.infer<typeof MessageFields>;

const File = z.strictObject({
  name: z.string().max(500).meta({ description: 'Name of the file, which the model is told' }),
  type: z.string().max(200).meta({ description: 'Media type of the file, which the model is told' }),
  data: z.string().optional().meta({ description: 'Content of the file; kept with the input, not shown to the model' }),
});

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
    enable_thinking: z
      .boolean()
      .optional()
      .meta({ description: 'Asks the model to think aloud in `<think>` tags before it answers' }),
    images: z
      .array(z.string().min(1))
      .max(100)
      .optional()
      .meta({ description: 'Images that belong to the last user message, each as base64 (PNG) or as a data URL' }),
    files: z.array(File).max(100).optional().meta({
      description: 'Files that belong to the last user message; the model is told their names and types only',
    }),
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
  .meta({
    examples: [{ messages: [{ role: 'user', content: 'What is a queue?' }] }],
    dependentSchemas: {
      session_id: { properties: { messages: { maxItems: MAX_TURN_MESSAGES }, cache: { const: false } } },
    },
  });
export type ChatInput = z.infer<typeof ChatInput>;

export const ChatOutput = z.object({
  role: z
    .literal('assistant')
    .meta({ description: 'The speaker, as in a message: append the output to `messages` to go on' }),
  content: z.string().meta({ description: 'The whole text of the answer' }),
  model: z.string().meta({ description: 'The model that answered' }),
  provider: z.string().meta({ description: 'The provider of that model' }),
  finish_reason: z
    .string()
    .meta({ description: 'Why the text ends, as the provider says: `stop`, `length`, …; `incomplete` for a part' }),
  metadata: z.record(z.string(), z.string()).optional().meta({
    description:
      'What else is to be known, such as a `note` that another model answered than was asked for. `cache` is `hit` of an answer from the cache, `stored` of one that went into it',
  }),
});
export type ChatOutput = z.infer<typeof ChatOutput>;

const THINK = 'Think step by step inside <think></think> tags first, then give the answer after them.';

const thinking: Message = { role: 'system', content: THINK };

/** The messages, attachments in the last one of the user. */
export function attachedMessages({ messages, images = [], files = [] }: ChatInput): Message[] {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const target = messages[last];
  if (!target || images.length + files.length === 0) return messages;
  const parts = typeof target.content === 'string' ? [{ type: 'text' as const, text: target.content }] : target.content;
  const named = files.map(({ name, type }) => ({
    type: 'text' as const,
    text: `[Attached file: ${name} (${type})]`,
  }));
  const shown = images.map((image) => ({
    type: 'image_url' as const,
    image_url: { url: image.startsWith('data:') ? image : `data:image/png;base64,${image}` },
  }));
  return messages.with(last, { role: 'user', content: [...parts, ...named, ...shown] });
}

export const chatRequest = defineJobType({
  name: 'chat.request',
  // 2: `session_id` and `cache`. A runner that does not know them would answer without the conversation.
  version: 2,
  route: '/api/chat',
  concurrency: 50,
  attempts: 3,
  timeoutMs: 300_000,
  input: ChatInput,
  output: ChatOutput,
  sessionOf: ({ session_id }) => session_id,

  async run(input, { llm, session, answers, emit }) {
    const { messages: _, session_id, images, files, enable_thinking, cache, ...parameters } = input;
    const window = await session.window(session_id, attachedMessages(input));
    const call = {
      ...parameters,
      model: input.model ?? (await session.model(session_id)),
      messages: enable_thinking ? [thinking, ...window] : window,
    };
    const kept = cache ? await answers.find<ChatOutput>(answerKey(call, await llm.resolve(call.model))) : null;
    if (kept?.answer) {
      const { answer } = kept;
      await emit.text(answer.content);
      await emit('text_done', { total_length: answer.content.length });
      return { ...answer, metadata: { ...answer.metadata, cache: 'hit' } };
    }

    let content = '';
    for await (const { text, reasoning } of llm.chat(call)) {
      if (reasoning) await emit('reasoning', { content: reasoning });
      content += text;
      await emit.text(text);
    }
    await emit('text_done', { total_length: content.length });
    const { usage, note, isModel, ...outcome } = llm.outcome();
    const metadata = note ? { note } : undefined;
    const answer = { role: 'assistant' as const, content, ...outcome, ...(metadata ? { metadata } : {}) };
    const whole = content !== '' && outcome.finish_reason === 'stop';
    const stored = whole && (await kept?.keep(answer));
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
