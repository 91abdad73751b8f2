/** Admits each request by its key, scope and rate, and sets its owner. Open mode asks Redis nothing. */
import { TaskError } from '@beanline/shared/errors.ts';
import { allows, type Scope } from '@beanline/shared/owner.ts';
import type { MiddlewareHandler, Next } from 'hono';
import { askToComeBack, isEventSource } from '../../encoders/sse.ts';
import type { Api, ApiContext, ApiEnv } from '../context.ts';
import { reply } from '../reply.ts';
import { isAtOneOf, type Route } from '../route.ts';
import { OPEN_CALLER } from './access.ts';
import { corsHeaders, preflightHeaders, refuseForeign } from './browser.ts';

/** By the method alone, so that no route can be forgotten: a key that may not submit changes nothing. */
const scopeOf = (method: string): Scope => (method === 'GET' || method === 'HEAD' ? 'read' : 'submit');

/** Throws `forbidden` unless the caller's key has the scope. */
export function requireScope(c: ApiContext, scope: Scope): void {
  if (!allows(c.get('caller').scopes, scope)) {
    throw new TaskError('forbidden', `This key lacks the scope "${scope}".`);
  }
}

export function authenticate({ access, config, deps }: Api, routes: readonly Route[]): MiddlewareHandler<ApiEnv> {
  const { clock, rateLimit } = deps;
  // What lies below a public page is public too: anybody may know that there is nothing.
  const isPublic = isAtOneOf(
    routes.filter((route) => route.isPublic),
    '.*',
  );
  const isStream = isAtOneOf(routes.filter((route) => route.isStream));

  async function admitKeyed(c: ApiContext): Promise<Response | undefined> {
    const { incoming } = c.env;
    const preflight = preflightHeaders(incoming.method, incoming.headers, config.CORS_ORIGINS);
    if (preflight) return reply(c, 204, null, preflight);
    const headers = corsHeaders(incoming.headers, config.CORS_ORIGINS);
    c.set('headers', headers);
    // Node would take the first of a repeated header.
    const given = incoming.headersDistinct.authorization ?? [];
    const caller = await access.identify(given.length === 1 ? given[0] : undefined);
    c.set('caller', caller);
    c.set('owner', caller.owner);
    requireScope(c, scopeOf(c.req.method));
    // Where nothing is counted, admission needs no Redis.
    if (config.RATE_LIMIT === 0) return undefined;
    const rate = await clock.guard(() => rateLimit.take(caller.owner), rateLimit.needs(caller.owner));
    if (rate === null) return undefined;
    const { limit, windowS, remaining, resetMs } = rate;
    headers['RateLimit-Policy'] = `"default";q=${limit};w=${windowS}`;
    headers.RateLimit = `"default";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`;
    if (rate.allowed) return undefined;
    throw new TaskError('rate_limited', `More than ${limit} requests in ${windowS} s.`, { retryAfterMs: resetMs });
  }

  /** An EventSource gives up for good at 503 and 429, so for what passes it is asked to come back. */
  function orComeBack(c: ApiContext, error: unknown): Response {
    const passes = error instanceof TaskError && (error.code === 'unavailable' || error.code === 'rate_limited');
    if (passes && c.req.method === 'GET' && isStream(c.req.path) && isEventSource(c)) return askToComeBack(c);
    throw error;
  }

  function admitOpen(c: ApiContext): undefined {
    refuseForeign(c.env.incoming.headers);
    c.set('caller', OPEN_CALLER);
    c.set('owner', OPEN_CALLER.owner);
  }

  async function admit(c: ApiContext, needsKey: boolean | Promise<boolean>, next: Next) {
    const answer = await (async () => ((await needsKey) ? admitKeyed(c) : admitOpen(c)))().catch((error: unknown) =>
      orComeBack(c, error),
    );
    return answer ?? next();
  }

  return (c, next) => {
    if (isPublic(c.req.path)) return next();
    const needsKey = access.needsKey();
    if (needsKey !== false) return admit(c, needsKey, next);
    admitOpen(c);
    return next();
  };
}
