/** Answers. */

import type { ApiContext } from './context.ts';
import { COUNTED_BYTES } from './memory/byte-budget.ts';
import { sendLarge } from './memory/large-answer.ts';

/**
 * An answer with the request's id. Headers stay a plain object, which the server writes as it is: building `Headers`
 * for each answer cost a tenth of a submit.
 */
export function reply(
  c: ApiContext,
  status: number,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
): Response {
  const all = { 'X-Request-Id': c.get('requestId'), ...c.get('headers'), ...headers };
  if (body !== null && body.length > COUNTED_BYTES && c.env.incoming.method !== 'HEAD') {
    return sendLarge(c, status, typeof body === 'string' ? Buffer.from(body) : body, all);
  }
  return new Response(body, { status, headers: all });
}

/** The same with a JSON body: a value, or JSON text that is ready. */
export function replyJson(
  c: ApiContext,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Response {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return reply(c, status, text, { 'Content-Type': 'application/json', ...headers });
}
