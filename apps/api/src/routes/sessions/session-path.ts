/** What the routes of sessions share: their place, and how answers say whether they come from the cache. */
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import type { ApiContext } from '../../http/context.ts';
import { answerHeaders } from '../../openapi/operation.ts';

export const TAG = 'Sessions';

export const SESSIONS = '/api/chat/sessions';

export const SessionPath = z.object({
  session: z
    .string()
    .min(1)
    .meta({ description: 'The session', param: { id: 'session' } }),
});

export const sessionIdOf = (c: ApiContext): string => c.req.param('session') ?? '';

/** Where the session of an answer goes on. */
export function sessionLinks(session: string): NonNullable<ZodOpenApiResponseObject['links']> {
  const operations = { read: 'readSession', messages: 'readMessages', say: 'postMessage', remove: 'deleteSession' };
  return Object.fromEntries(
    Object.entries(operations).map(([name, operationId]) => [name, { operationId, parameters: { session } }]),
  );
}

export const cacheHeaders = (hit: boolean) => ({ 'X-Cache': hit ? 'hit' : 'miss', 'Cache-Control': 'no-cache' });

/** These headers, as the document has them. */
export const cached = { 'X-Cache': answerHeaders.cache };
