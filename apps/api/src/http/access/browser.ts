/**
 * Browsers. A page of any site can make its visitor's browser send requests to this machine; an open API would obey it.
 * With keys such a page has none, and the origins of CORS_ORIGINS may ask. Own code, because hono/cors puts its headers on
 * a `Response`, and our streams are written past it.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { TaskError } from '@beanline/shared/errors.ts';
import { isLoopback } from '@beanline/shared/loopback.ts';

const HOST = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/;

/** Open mode: throws `forbidden` for another host's name (DNS rebinding) and for a page of another origin. */
export function refuseForeign(headers: IncomingHttpHeaders): void {
  const host = (headers.host ?? '').toLowerCase();
  const name = HOST.exec(host)?.[1]?.replace(/^\[(.*)\]$/, '$1') ?? '';
  if (!isLoopback(name))
    throw new TaskError('forbidden', 'Without API keys only this machine is answered, by its name.');
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const ownOrigin = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  const ownSite = site === undefined || site === 'same-origin' || site === 'none';
  if (!ownOrigin || !ownSite) {
    throw new TaskError(
      'forbidden',
      'Without API keys no page of another origin is answered. Make a key, set CORS_ORIGINS.',
    );
  }
}

const ALLOWED = [
  'Accept',
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
  'traceparent',
  'tracestate',
  'X-Request-Id',
];
const EXPOSED = [
  'ETag',
  'Idempotency-Replayed',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Cache',
  'X-Request-Id',
  'X-Task-Id',
  'x-should-retry',
];
const PREFLIGHT_S = 600;

/** What an answer says to a browser; nothing but `Vary` unless the origin is exactly one of the list. */
export function corsHeaders(headers: IncomingHttpHeaders, origins: readonly string[]): Record<string, string> {
  if (origins.length === 0) return {};
  const { origin } = headers;
  if (origin === undefined || !origins.includes(origin)) return { Vary: 'Origin' };
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Expose-Headers': EXPOSED.join(', '),
  };
}

/** The answer's headers to a preflight of an allowed origin; null for any other request. */
export function preflightHeaders(
  method: string | undefined,
  headers: IncomingHttpHeaders,
  origins: readonly string[],
): Record<string, string> | null {
  const { origin } = headers;
  const asks = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  if (!asks || origin === undefined || !origins.includes(origin)) return null;
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'Access-Control-Allow-Headers': ALLOWED.join(', '),
    'Access-Control-Max-Age': String(PREFLIGHT_S),
  };
}
