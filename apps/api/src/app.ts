/** The HTTP application: request ids, errors as problem+json, and the routes. It checks and enqueues; it runs nothing. */
import { TaskError } from '@beanline/shared/errors.ts';
import { Hono } from 'hono';
import { authenticate } from './authenticate.ts';
import type { Api, ApiContext, ApiEnv } from './context.ts';
import { newRequestId, problemBody, problemHeaders } from './problem.ts';
import { reply } from './reply.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { submitRoutes } from './routes/submit.ts';
import { taskRoutes } from './routes/tasks.ts';

export function createApp(api: Api): Hono<ApiEnv> {
  const { log } = api.deps;
  const app = new Hono<ApiEnv>();

  function fail(c: ApiContext, thrown: unknown, extra: Record<string, string> = {}): Response {
    const requestId = c.get('requestId') ?? newRequestId();
    const { error, body } = problemBody(thrown, requestId);
    if (error.code === 'internal')
      log.error({ error, request_id: requestId, owner: c.get('owner') }, 'a request failed');
    const headers = { ...problemHeaders(error), 'X-Request-Id': requestId, ...extra };
    // No `Connection: close` for an unread body: the server would cut a client that still sends before it has read this.
    // Left open, the adapter reads the rest for half a second or 64 MB, and cuts then.
    return reply(c, error.status, body, headers);
  }

  const admit = authenticate(api);
  app.use((c, next) => {
    const given = c.env.incoming.headers['x-request-id'];
    c.set('requestId', typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : newRequestId());
    return admit(c, next);
  });
  app.onError((error, c) => fail(c, error));

  submitRoutes(app, api);
  taskRoutes(app, api);
  eventRoutes(app, api);
  healthRoutes(app, api);

  app.notFound((c) => {
    const allowed = app.routes
      .filter(({ method, path }) => method !== 'ALL' && pattern(path).test(c.req.path))
      .map(({ method }) => method);
    if (allowed.length === 0) return fail(c, new TaskError('not_found', 'There is no such page.'));
    const Allow = [...new Set(allowed)].join(', ');
    return fail(c, new TaskError('method_not_allowed', `Allowed here: ${Allow}.`), { Allow });
  });
  return app;
}

const pattern = (path: string) => new RegExp(`^${path.replaceAll(/:[a-z]+/g, '[^/]+')}$`);
