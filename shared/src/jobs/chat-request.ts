/** `chat.request`: answers a conversation with one model call, streaming the text. */
import { z } from 'zod';
import { defineJobType } from '../job-type.ts';

const ImageUrl = z
  .string()
  .regex(/^(https?:\/\/|data:image\/[a-z0-9.+-]+;base64,)/, 'must be an http(s) URL or a data:image/…;base64, URL');

const ContentPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('image_url'), image_url: z.strictObject({ url: ImageUrl }) }),
]);

const Message = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.union([z.string(), z.array(ContentPart).min(1)]),
});
type Message = z.infer<typeof Message>;

export const ChatInput = z.strictObject({
  messages: z.array(Message).min(1).max(10_000),
  model: z.string().min(1).max(200).optional(),
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: z.int().min(1).max(1_000_000).optional(),
  top_p: z.number().min(0).max(1).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  /** Asks the model to think aloud in `<think>` tags first. */
  enable_thinking: z.boolean().optional(),
  /** Base64 images (or data URLs) that belong to the last user message. */
  images: z.array(z.string().min(1)).max(100).optional(),
  /** Files that belong to the last user message; the model is told their names and types. */
  files: z
    .array(z.strictObject({ name: z.string().max(500), type: z.string().max(200), data: z.string().optional() }))
    .max(100)
    .optional(),
});
export type ChatInput = z.infer<typeof ChatInput>;

export const ChatOutput = z.object({
  role: z.literal('assistant'),
  content: z.string(),
  model: z.string(),
  provider: z.string(),
  finish_reason: z.string(),
  metadata: z.record(z.string(), z.string()).optional(),
});

const THINK = 'Think step by step inside <think></think> tags first, then give the answer after them.';

/** The messages as the model gets them: attachments join the last user message, thinking becomes a system message. */
export function assembleMessages({ messages, images = [], files = [], enable_thinking }: ChatInput): Message[] {
  const assembled = [...messages];
  const last = assembled.findLastIndex(({ role }) => role === 'user');
  const target = assembled[last];
  if (target && (images.length > 0 || files.length > 0)) {
    const parts =
      typeof target.content === 'string' ? [{ type: 'text' as const, text: target.content }] : target.content;
    const named = files.map(({ name, type }) => ({
      type: 'text' as const,
      text: `[Attached file: ${name} (${type})]`,
    }));
    const shown = images.map((image) => ({
      type: 'image_url' as const,
      image_url: { url: image.startsWith('data:') ? image : `data:image/png;base64,${image}` },
    }));
    assembled[last] = { role: 'user', content: [...parts, ...named, ...shown] };
  }
  return enable_thinking ? [{ role: 'system', content: THINK }, ...assembled] : assembled;
}

export const chatRequest = defineJobType({
  name: 'chat.request',
  route: '/api/chat',
  concurrency: 50,
  attempts: 3,
  timeoutMs: 300_000,
  input: ChatInput,
  output: ChatOutput,

  async run(input, { llm, emit }) {
    const { images, files, enable_thinking, ...call } = input;
    let content = '';
    for await (const chunk of llm.chat({ ...call, messages: assembleMessages(input) })) {
      content += chunk.text;
      await emit.text(chunk.text);
    }
    await emit('text_done', { total_length: content.length });
    const { usage, note, ...outcome } = llm.outcome();
    return { role: 'assistant' as const, content, ...outcome, ...(note ? { metadata: { note } } : {}) };
  },

  partial(text, { model, provider }) {
    return text === ''
      ? null
      : { role: 'assistant' as const, content: text, model, provider, finish_reason: 'incomplete' };
  },
});
