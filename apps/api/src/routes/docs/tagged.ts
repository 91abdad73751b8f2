/** Answers that change with a release only: a client that has one, by its tag, is told so. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import type { ApiContext } from '../../http/context.ts';
import { reply } from '../../http/reply.ts';
import { answerHeaders, none, requestHeaders } from '../../openapi/operation.ts';

type Body = string | Uint8Array<ArrayBuffer>;
type Tagged = { body: Body; type: string; tag: string };

export const tagged = (body: Body, type: string): Tagged => ({
  body,
  type,
  tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
});

/** Makes it at the first call; a failure is tried again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** The body, or 304 to a client that has it. Checked each time: a new release must not meet old files. */
export function replyTagged(c: ApiContext, { body, type, tag }: Tagged, more: Record<string, string> = {}): Response {
  const headers = { ETag: tag, 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' };
  if ((c.req.header('if-none-match') ?? '').includes(tag)) return reply(c, 304, null, headers);
  return reply(c, 200, body, { 'Content-Type': type, 'Referrer-Policy': 'no-referrer', ...more, ...headers });
}

/** That, as the document has it. */
export const taggedHeader = z.object({ ...requestHeaders, 'If-None-Match': z.string().optional() });
export const taggedAnswers = (ok: ZodOpenApiResponseObject) => ({
  200: ok,
  304: none('The client has it', { ETag: answerHeaders.tag }),
});
