/** What a route says of itself in the document, and the pieces of it: headers, problems by their codes, event streams. */
import { type ErrorCode, errorTable } from '@beanline/shared/errors.ts';
import { EventId } from '@beanline/shared/event.ts';
import { type EventType, EventView, eventData } from '@beanline/shared/event-data.ts';
import { z } from 'zod';
import type { ZodOpenApiMediaTypeObject, ZodOpenApiResponseObject } from 'zod-openapi';
import { Problem } from './answers.ts';
import { eventStreamText, problemExample } from './examples.ts';

type Responses = Record<string, ZodOpenApiResponseObject>;
type Headers = Record<string, z.ZodType>;

/** A JSON body. */
export type Body = Pick<ZodOpenApiMediaTypeObject, 'example' | 'examples'> & { schema: z.ZodType; isOptional?: true };

/** What a route says of itself. The document adds what all routes have in common. */
export type Operation = {
  /** Unique; clients that are generated have a function of this name. */
  operationId: string;
  summary: string;
  /** What the summary leaves out. */
  description?: string;
  /** The heading it stands under. */
  tag: string;
  /** What the placeholders of the path stand for. */
  path?: z.ZodObject;
  query?: z.ZodObject;
  /** Parameters whose names begin so are taken beside those of `query`. */
  queryPrefix?: string;
  /** The headers it reads, `requestHeaders` among them, which are all that a route reads by default. */
  header?: z.ZodObject;
  body?: Body;
  /** By status, those that are no problems. */
  answers: Responses;
  /** Beside those of any request, of any owner's unless the route is public, and of any body if it has one. */
  problems?: readonly ErrorCode[];
};

/** A route as the document sees it. */
export type Described = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it: `/tasks/{id}`. */
  path: string;
  /** Anybody may ask, without a key and from any page: nothing of an owner is behind it. */
  isPublic?: true;
  /** Without one it is a page for people and their browsers, which the document leaves out. */
  operation?: Operation;
};
export type Documented = Described & { operation: Operation };

const header = (id: string, schema: z.ZodType, description: string) => schema.meta({ description, header: { id } });
const seconds = z.string().regex(/^\d+$/);

/** Headers of answers. One that is not on every answer of its status is optional. */
export const answerHeaders = {
  requestId: header('X-Request-Id', z.string(), "The request's own id, or one made for it"),
  location: header('Location', z.string(), 'Path of the task, of the session, or of the page'),
  taskId: header('X-Task-Id', z.string().optional(), 'Id of the task whose events these are'),
  replayed: header(
    'Idempotency-Replayed',
    z.literal('true').optional(),
    'An earlier request with this Idempotency-Key made the task',
  ),
  preferenceApplied: header('Preference-Applied', z.string().optional(), '`wait=N`, when it was waited for'),
  etag: header('ETag', z.string(), 'Id of the last event that is not text'),
  cache: header('X-Cache', z.enum(['hit', 'miss']), 'Whether this came from the cache'),
  tag: z.string().meta({ description: 'Names this version of the file' }),
  retryAfter: header('Retry-After', seconds.optional(), 'Seconds after which to try again'),
  rateLimit: header('RateLimit', z.string().optional(), 'What is left of the quota, and when it is whole again'),
  rateLimitPolicy: header('RateLimit-Policy', z.string().optional(), 'The quotas'),
  shouldRetry: header('x-should-retry', z.literal('false'), 'Sending it again cannot help'),
};

/** The headers of an answer: these, and the request's id. */
export const headersWith = (headers: Headers = {}) => z.object({ 'X-Request-Id': answerHeaders.requestId, ...headers });

const problemExtras: Partial<Record<number, Headers>> = {
  409: { 'x-should-retry': answerHeaders.shouldRetry },
  422: { 'x-should-retry': answerHeaders.shouldRetry },
  429: {
    'Retry-After': answerHeaders.retryAfter,
    RateLimit: answerHeaders.rateLimit,
    'RateLimit-Policy': answerHeaders.rateLimitPolicy,
  },
  503: { 'Retry-After': answerHeaders.retryAfter },
};

/**
 * The answer of one status with these codes. One object per set of codes, so that the document names it once, and per what
 * may be missing.
 */
function problem(status: number, codes: ErrorCode[], missing: string, made: Map<string, ZodOpenApiResponseObject>) {
  const id = [...codes, ...(codes.includes('not_found') ? [missing] : [])].join('.');
  const response = made.get(id) ?? {
    id,
    description: codes.map((code) => `\`${code}\`: ${errorTable[code].title}`).join('\n\n'),
    headers: headersWith(problemExtras[status]),
    content: {
      'application/problem+json': {
        schema: Problem.and(z.object({ status: z.literal(status), code: z.enum(codes) })),
        examples: Object.fromEntries(
          codes.map((code) => [code, { value: problemExample(code, `There is no such ${missing}.`) }]),
        ),
      },
    },
  };
  made.set(id, response);
  return response;
}

const known = new Map<string, ZodOpenApiResponseObject>();

const anyProblems = ['invalid_request', 'request_timeout', 'internal'] as const;
const ownerProblems = ['unauthorized', 'forbidden', 'rate_limited', 'unavailable'] as const;
const bodyProblems = ['payload_too_large', 'unsupported_media_type'] as const;

/** The problems a route answers, by status. */
export function problemsOf({ path, isPublic, operation: { body, problems = [] } }: Documented): Responses {
  const missing = path.includes('{id}') ? 'task' : 'session';
  const codes = [...anyProblems, ...(isPublic ? [] : ownerProblems), ...(body ? bodyProblems : []), ...problems];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set<ErrorCode>(codes)) {
    const { status } = errorTable[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, of]) => [String(status), problem(status, of, missing, known)]));
}

/** An answer of JSON, with an example of it. */
export function json<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  example: z.input<Schema>,
  headers: Headers = {},
): ZodOpenApiResponseObject {
  return {
    description,
    headers: headersWith(headers),
    content: { 'application/json': { schema, example } },
  };
}

/** An answer without a body. */
export const none = (description: string, headers: Headers = {}): ZodOpenApiResponseObject => ({
  description,
  headers: headersWith(headers),
});

/**
 * One event of a stream, as its lines are parsed: OpenAPI 3.1 has no word for the items of a stream, so the schema is
 * that of each of them, as it is from 3.2 on.
 */
const StreamedEvent = z
  .object({
    id: EventId.meta({ description: 'Where to go on after this event: `Last-Event-ID`' }),
    event: z.enum(Object.keys(eventData) as EventType[]).meta({ description: 'Its type' }),
    // An array, because the library names a schema only where one refers to it: its item is what is shown.
    data: z.array(EventView).meta({
      description: 'The event, as JSON text on one line',
      override({ jsonSchema }) {
        const { items } = jsonSchema;
        delete jsonSchema.items;
        Object.assign(jsonSchema, { type: 'string', contentMediaType: 'application/json', contentSchema: items });
      },
    }),
  })
  .meta({ id: 'StreamedEvent' });

export const eventStream = { 'text/event-stream': { schema: StreamedEvent, example: eventStreamText } };

/** The request header that every route takes. */
export const requestHeaders = {
  'X-Request-Id': z.string().optional().meta({
    description: 'Names the request in answers and logs: 1–128 of `A-Z a-z 0-9 _ . : -`; others are replaced',
  }),
};
