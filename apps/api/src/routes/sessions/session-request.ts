/** What clients say of sessions and messages, checked, with every bad field named. */
import type { FieldError } from '@beanline/shared/errors.ts';
import { OutputFields } from '@beanline/shared/jobs/chat/chat-output.ts';
import { MessageFields, messageOf, saidBy } from '@beanline/shared/jobs/chat/message.ts';
import { isMessageId, storedContent } from '@beanline/shared/session.ts';
import type { NewMessage } from '@beanline/shared/sessions/post-message.ts';
import type { SessionSearch } from '@beanline/shared/sessions/search-sessions.ts';
import { FeatureMode } from '@beanline/shared/sessions/view.ts';
import { sessionSorts } from '@beanline/shared/store.ts';
import { textOf } from '@beanline/shared/text.ts';
import { z } from 'zod';
import { invalid } from '../../http/bad-fields.ts';
import { flag, whole } from '../../http/query.ts';
import { timeOrDay } from '../../http/time.ts';
import { Metadata } from '../submit/submit-request.ts';

const MAX_COUNT = 1_000_000_000_000;
/** A page of a list may hold 200 of them. */
const MAX_FEATURE_OPTIONS = 64 * 1024;

const Title = textOf(1, 200);

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** JSON text of any object, names such as `__proto__` included, which a record schema would drop. */
const FeatureOptions = z
  .unknown()
  .refine(isObject, 'must be an object')
  .transform((options, context) => {
    const text = JSON.stringify(options);
    if (Buffer.byteLength(text) <= MAX_FEATURE_OPTIONS) return text;
    context.addIssue({ code: 'custom', message: `must have at most ${MAX_FEATURE_OPTIONS} bytes of JSON` });
    return z.NEVER;
  })
  .meta({
    description: `Anything of yours, at most ${MAX_FEATURE_OPTIONS} bytes; it comes back as it was`,
    override({ jsonSchema }) {
      Object.assign(jsonSchema, { type: 'object' });
    },
  });

export const SessionBody = z
  .strictObject({
    title: Title.optional().meta({ description: 'Its title; without one it gets one of a model' }),
    feature_mode: FeatureMode.default('chat'),
    model: textOf(1, 200)
      .optional()
      .meta({ description: 'The model its tasks use unless they name one, as `provider/model`' }),
    feature_options: FeatureOptions.optional(),
  })
  .meta({ id: 'SessionBody', examples: [{ title: 'Queues', feature_options: { colour: 'green' } }] });

/** What may be told beside its session to a task that does something for it; a body goes before the query. */
export const SessionTaskQuery = z.object({
  model: textOf(1, 200).optional().meta({ description: 'The model that is asked, of clients that send no body' }),
});

export const TitleBody = z
  .strictObject({ title: Title.meta({ description: 'The new title' }) })
  .meta({ id: 'TitleBody', examples: [{ title: 'Queues' }] });

export const TitleQuery = z.object({
  title: Title.optional().meta({ description: 'The new title, of clients that send no body', deprecated: true }),
});

const MessageUsage = z
  .strictObject({
    input_tokens: z.int().min(0).max(MAX_COUNT).meta({ description: 'Tokens the model read' }),
    output_tokens: z.int().min(0).max(MAX_COUNT).meta({ description: 'Tokens the model wrote' }),
    total_tokens: z
      .int()
      .min(0)
      .max(2 * MAX_COUNT)
      .optional()
      .meta({ description: 'Both together' }),
  })
  .refine(
    ({ input_tokens, output_tokens, total_tokens = input_tokens + output_tokens }) =>
      total_tokens === input_tokens + output_tokens,
    {
      path: ['total_tokens'],
      message: 'must be the sum of input_tokens and output_tokens',
    },
  )
  .meta({ id: 'MessageUsage', description: 'Tokens it used; they count for the session' });

export const MessageBody = messageOf(
  z.strictObject({
    ...MessageFields.shape,
    ...OutputFields,
    model: textOf(1, 200).optional().meta({ description: 'The model that said it' }),
    usage: MessageUsage.optional(),
    metadata: Metadata.meta({ description: 'Pairs of your own, which the message bears and nothing reads' }),
  }),
).meta({ id: 'MessageBody', examples: [{ role: 'user', content: 'What is a queue?' }] });

/** The message as the store takes it. */
export function newMessage({ model, usage, metadata, ...body }: z.output<typeof MessageBody>): NewMessage {
  const { role, ...speech } = saidBy(body);
  const { content } = speech;
  const texts =
    typeof content === 'string' ? [content] : content.flatMap((part) => (part.type === 'text' ? part.text : []));
  return {
    role: role === 'developer' ? 'system' : role,
    content: storedContent(speech),
    text: texts.join('\n'),
    model: model ?? null,
    usage: usage ? { inputTokens: usage.input_tokens, outputTokens: usage.output_tokens, estimated: false } : null,
    metadata: JSON.stringify(metadata),
  };
}

const count = () => whole(0, MAX_COUNT).optional();

export const ListQuery = z.object({
  limit: whole(1, 200).default(50).meta({ description: 'Most sessions of a page; default: 50' }),
  skip: whole(0, 10_000).default(0).meta({ description: 'Sessions to pass over; default: none' }),
  query: z
    .string()
    .transform((text) => text.trim())
    .pipe(textOf(1, 200))
    .optional()
    .meta({
      description: 'Finds sessions whose title, or a message of which, contains this, in any script and case',
      override({ jsonSchema }) {
        Object.assign(jsonSchema, { type: 'string', minLength: 1, maxLength: 200, pattern: '\\S' });
      },
    }),
  feature_mode: FeatureMode.optional(),
  date_from: timeOrDay(false).optional().meta({ description: 'Changed then or later' }),
  date_to: timeOrDay(true).optional().meta({ description: 'Changed then or earlier' }),
  min_tokens: count().meta({ description: 'Least `total_tokens`' }),
  max_tokens: count().meta({ description: 'Most `total_tokens`' }),
  min_messages: count().meta({ description: 'Least `message_count`' }),
  max_messages: count().meta({ description: 'Most `message_count`' }),
  sort_by: z
    .enum([...sessionSorts, 'relevance'])
    .optional()
    .meta({
      description:
        'Largest first. `relevance` (with `query` only, and then the default): a matching title, then the most matching messages, then the latest change. Default: `updated_at`',
    }),
  use_vector_search: flag().optional().meta({ description: 'Accepted; `search_type` tells how it was searched' }),
});

const BOUNDS = [
  ['date_from', 'date_to'],
  ['min_tokens', 'max_tokens'],
  ['min_messages', 'max_messages'],
] as const;

/** What is searched for. Throws a 400 for what each parameter alone may be, but not beside the others. */
export function sessionSearch(asked: z.output<typeof ListQuery>): SessionSearch {
  const bad: FieldError[] = BOUNDS.flatMap(([least, most]) => {
    const [from, to] = [asked[least], asked[most]];
    if (from === undefined || to === undefined || from <= to) return [];
    return [
      { path: least, message: `must not be above ${most}` },
      { path: most, message: `must not be below ${least}` },
    ];
  });
  const { query, sort_by } = asked;
  if (sort_by === 'relevance' && query === undefined) bad.push({ path: 'sort_by', message: 'relevance needs a query' });
  if (bad.length > 0) throw invalid(...bad);
  return {
    query,
    filter: {
      featureMode: asked.feature_mode,
      updatedFrom: asked.date_from,
      updatedTo: asked.date_to,
      minTokens: asked.min_tokens,
      maxTokens: asked.max_tokens,
      minMessages: asked.min_messages,
      maxMessages: asked.max_messages,
    },
    sort: sort_by ?? (query === undefined ? 'updated_at' : 'relevance'),
    limit: asked.limit,
    skip: asked.skip,
  };
}

export const PageQuery = z.object({
  limit: whole(1, 200).default(50).meta({ description: 'Most messages of a page; default: 50' }),
  before: z.string().refine(isMessageId, 'must be the id of a message').optional().meta({
    description: 'Only messages before this one: the `next_cursor` of the page before',
  }),
});
