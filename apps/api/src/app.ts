/** The HTTP application: request ids, errors as problem+json, and the routes. It checks and enqueues; it runs nothing. */
import { TaskError } from '@beanline/shared/errors.ts';
import { Hono } from 'hono';
import { authenticate } from './http/access/authenticate.ts';
import type { Api, ApiContext, ApiEnv } from './http/context.ts';
import { newRequestId, problemBody, problemHeaders } from './http/problem.ts';
import { refuseUnknown } from './http/query.ts';
import { reply } from './http/reply.ts';
import { type AddRoute, type App, honoPath, methodsAt } from './http/route.ts';
import { dropRest } from './http/turns/drop-rest.ts';
import { routes } from './routes/catalog.ts';

/** The routes as they are declared, before anything is made of them. @internal */
export function declareRoutes(api: Api, all: readonly AddRoute[] = routes): App {
  const app: App = { routes: [] };
  for (const add of all) add(app, api);
  return app;
}

export function createApp(api: Api, all?: readonly AddRoute[]): Hono<ApiEnv> {
  const { log } = api.deps;
  const declared = declareRoutes(api, all);
  const app = new Hono<ApiEnv>();

  function fail(c: ApiContext, thrown: unknown, extra: Record<string, string> = {}): Response {
    const requestId = c.get('requestId') ?? newRequestId();
    const { error, body } = problemBody(thrown, requestId);
    if (error.code === 'internal')
      log.error({ error, request_id: requestId, owner: c.get('owner') }, 'a request failed');
    const headers = { ...problemHeaders(error), 'X-Request-Id': requestId, ...extra };
    // No `Connection: close` for an unread body: the server would cut a client that still sends before it has read this.
    // Left open, the rest is read for half a second, and the adapter cuts then.
    dropRest(c.env.incoming, c.get('owner') ?? '', api.drops);
    return reply(c, error.status, body, headers);
  }

  const admit = authenticate(api, declared.routes);
  app.use((c, next) => {
    c.set('api', api);
    const given = c.env.incoming.headers['x-request-id'];
    c.set('requestId', typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : newRequestId());
    return admit(c, next);
  });
  app.onError((error, c) => fail(c, error));
  for (const { method, path, isPublic, operation, handler } of declared.routes) {
    const strict = (c: ApiContext) => {
      refuseUnknown(c, operation);
      return handler(c);
    };
    // Probes and caches put what they like behind the address of a public page.
    app.on(method, honoPath(path), isPublic ? handler : strict);
  }

  const allowedAt = methodsAt(declared.routes);
  app.notFound((c) => {
    const Allow = allowedAt(c.req.path).join(', ');
    if (Allow === '') return fail(c, new TaskError('not_found', 'There is no such page.'));
    return fail(c, new TaskError('method_not_allowed', `Allowed here: ${Allow}.`), { Allow });
  });
  return app;
}
