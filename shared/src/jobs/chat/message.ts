/** The messages of a conversation, as requests hold them; an output of a task is one as it is. */
import { z } from 'zod';
import { OutputFields } from './chat-output.ts';
import { ToolCallFields } from './tool-call.ts';

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

export const Content = z
  .union([z.string(), z.array(ContentPart).min(1)])
  .meta({ description: 'What is said: a text, or parts that are text or images' });

export const MessageFields = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']).meta({
    description:
      'Who speaks: `system`, or `developer`, instructs the model, `user` asks it, `assistant` is what it answered before, `tool` is what a function gave',
  }),
  content: Content.nullish().meta({
    description: 'What is said: a text, or parts that are text or images; null only beside `tool_calls`',
  }),
  tool_calls: z.array(ToolCallFields).max(1_000).nullish().meta({
    description: 'Of an `assistant`: the functions it called. Their results follow, as messages of role `tool`',
  }),
  tool_call_id: z
    .string()
    .optional()
    .meta({ description: 'Of a `tool`, which needs it: the `id` of the call that this is the result of' }),
});

/** What of a message depends on who speaks. Each is looked at whatever else is wrong. */
const rules: {
  path: keyof typeof MessageFields.shape;
  message: string;
  holds(fields: Record<string, unknown>): boolean;
}[] = [
  {
    path: 'content',
    message: 'must be there, a text or a list of parts, unless an assistant has tool_calls',
    holds: ({ role, content, tool_calls: calls }) =>
      (content ?? undefined) !== undefined || (role === 'assistant' && Array.isArray(calls) && calls.length > 0),
  },
  {
    path: 'tool_calls',
    message: 'is only for messages of the role assistant',
    holds: ({ role, tool_calls: calls }) => role === 'assistant' || (calls ?? undefined) === undefined,
  },
  {
    path: 'tool_call_id',
    message: 'must name the call that this is the result of',
    holds: ({ role, tool_call_id: id }) => role !== 'tool' || id !== undefined,
  },
  {
    path: 'tool_call_id',
    message: 'is only for messages of the role tool',
    holds: ({ role, tool_call_id: id }) => role === 'tool' || id === undefined,
  },
];

/** A message with these fields, in which what depends on who speaks is as it must be. */
export function messageOf<Fields extends z.ZodObject>(fields: Fields): Fields {
  let checked = fields;
  for (const { path, message, holds } of rules) {
    checked = checked.refine((said) => holds(said), {
      ...{ path: [path], message },
      when: ({ value }) => typeof value === 'object' && value !== null,
    });
  }
  return checked.meta({
    dependentSchemas: {
      tool_calls: { properties: { role: { const: 'assistant' } } },
      tool_call_id: { properties: { role: { const: 'tool' } } },
    },
  });
}

/** A message without what says nothing. */
const Said = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: Content,
  reasoning: z.string().optional(),
  tool_calls: z.array(ToolCallFields).optional(),
  tool_call_id: z.string().optional(),
});
export type Message = z.infer<typeof Said>;

/** A message as a request has it. */
type Given = {
  role: Message['role'];
  content?: Message['content'] | null | undefined;
  tool_calls?: Message['tool_calls'] | null;
  tool_call_id?: string | undefined;
  reasoning?: unknown;
};

/** Of an output its thoughts too, where it calls functions: some models want them back. */
export function saidBy({ role, content, reasoning, tool_calls, tool_call_id }: Given): Message {
  return {
    ...{ role, content: content ?? '' },
    ...(tool_calls && tool_calls.length > 0
      ? { tool_calls, ...(typeof reasoning === 'string' ? { reasoning } : {}) }
      : {}),
    ...(tool_call_id === undefined ? {} : { tool_call_id }),
  };
}

export const Message = messageOf(MessageFields.extend(OutputFields)).transform(saidBy).pipe(Said);
