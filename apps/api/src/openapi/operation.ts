/** The pieces of which routes make their descriptions: headers, problems by their codes, event streams, links. */
import { type ErrorCode, errorTable } from '@beanline/shared/errors.ts';
import { EventId } from '@beanline/shared/event.ts';
import { type EventType, EventView, eventData } from '@beanline/shared/event-data.ts';
import { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiResponseObject } from 'zod-openapi';
import { Problem } from './answers.ts';

export const TAGS = {
  submit: 'Submit',
  tasks: 'Tasks',
  sessions: 'Sessions',
  monitoring: 'Monitoring',
  docs: 'Documentation',
} as const;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Paths as OpenAPI writes them (`/tasks/{id}`), each with its methods. */
export type Paths = Record<string, Partial<Record<Method, ZodOpenApiOperationObject>>>;

type Responses = Record<string, ZodOpenApiResponseObject>;
type Headers = Record<string, z.ZodType>;

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

/** The answer of one status with these codes. One object per set of codes, so that the document names it once. */
function problem(status: number, codes: ErrorCode[], made: Map<string, ZodOpenApiResponseObject>) {
  const id = codes.join('.');
  const response = made.get(id) ?? {
    id,
    description: codes.map((code) => `\`${code}\`: ${errorTable[code].title}`).join('\n\n'),
    headers: headersWith(problemExtras[status]),
    content: {
      'application/problem+json': {
        schema: Problem.and(z.object({ status: z.literal(status), code: z.enum(codes) })),
      },
    },
  };
  made.set(id, response);
  return response;
}

const known = new Map<string, ZodOpenApiResponseObject>();

/** The problems a route answers, by status; those of any request of HTTP are always among them. */
export function problems(...codes: ErrorCode[]): Responses {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set<ErrorCode>(['invalid_request', 'request_timeout', 'internal', ...codes])) {
    const { status } = errorTable[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, of]) => [String(status), problem(status, of, known)]));
}

/** What any route of an owner may answer. */
export const ownerProblems = ['unauthorized', 'forbidden', 'rate_limited', 'unavailable'] as const;

export function json(description: string, schema: z.ZodType, headers: Headers = {}): ZodOpenApiResponseObject {
  return {
    description,
    headers: headersWith(headers),
    content: { 'application/json': { schema } },
  };
}

/**
 * One event of a stream, as its lines are parsed: OpenAPI 3.1 has no word for the items of a stream, so the schema is
 * that of each of them, as it is from 3.2 on.
 */
const StreamedEvent = z
  .object({
    id: EventId.meta({ description: 'Where to go on after this event: `Last-Event-ID`' }),
    event: z.enum(Object.keys(eventData) as EventType[]).meta({ description: 'Its type' }),
    // An array for the library's sake, which leaves no schema that is nowhere used: what stands there is its item.
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

export const eventStream = {
  'text/event-stream': {
    schema: StreamedEvent,
    example:
      'retry: 1000\n\nid: 1-7\nevent: text\ndata: {"type":"text","task_id":"task_…","attempt":1,"timestamp":"…","data":{"content":"Hel"}}\n\n',
  },
};

/** Where the task of an answer goes on. */
export function taskLinks(id: string): NonNullable<ZodOpenApiResponseObject['links']> {
  const operations = { read: 'readTask', events: 'readEvents', cancel: 'cancelTask', retry: 'retryTask' };
  return Object.fromEntries(
    Object.entries(operations).map(([name, operationId]) => [name, { operationId, parameters: { id } }]),
  );
}

export const TaskPath = z.object({
  id: z
    .string()
    .min(1)
    .meta({ description: 'The task', param: { id: 'id' } }),
});

/** Where the session of an answer goes on. */
export function sessionLinks(session: string): NonNullable<ZodOpenApiResponseObject['links']> {
  const operations = { read: 'readSession', messages: 'readMessages', say: 'postMessage', remove: 'deleteSession' };
  return Object.fromEntries(
    Object.entries(operations).map(([name, operationId]) => [name, { operationId, parameters: { session } }]),
  );
}

export const SessionPath = z.object({
  session: z
    .string()
    .min(1)
    .meta({ description: 'The session', param: { id: 'session' } }),
});

/** A request header every route takes. */
export const requestHeaders = {
  'X-Request-Id': z.string().optional().meta({
    description: 'Names the request in answers and logs: 1–128 of `A-Z a-z 0-9 _ . : -`; others are replaced',
  }),
};
