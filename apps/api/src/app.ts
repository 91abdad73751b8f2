/** The HTTP application: request ids, errors as problem+json, and the routes. It checks and enqueues; it runs nothing. */
import { TaskError } from '@beanline/shared/errors.ts';
import { Hono } from 'hono';
import { authenticate } from './http/authenticate.ts';
import type { Api, ApiContext, ApiEnv } from './http/context.ts';
import { newRequestId, problemBody, problemHeaders } from './http/problem.ts';
import { reply } from './http/reply.ts';
import { type OpenApiDocument, openApiDocument } from './openapi/document.ts';
import { taskOf } from './openapi/job-types.ts';
import { docsPaths, docsRoutes } from './routes/docs.ts';
import { healthPaths, healthRoutes } from './routes/health.ts';
import { sessionMessagePaths, sessionMessageRoutes } from './routes/sessions/messages.ts';
import { preferencePaths, preferenceRoutes } from './routes/sessions/preferences.ts';
import { sessionTaskRoutes } from './routes/sessions/session-tasks.ts';
import { sessionPaths, sessionRoutes } from './routes/sessions/sessions.ts';
import { retryRoutes } from './routes/submit/retry.ts';
import { submitRoutes } from './routes/submit/submit.ts';
import { submitPaths } from './routes/submit/submit-paths.ts';
import { eventPaths, eventRoutes } from './routes/tasks/events.ts';
import { taskPaths, taskRoutes } from './routes/tasks/tasks.ts';

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
  sessionTaskRoutes(app, api);
  retryRoutes(app, api);
  taskRoutes(app, api);
  eventRoutes(app, api);
  sessionRoutes(app, api);
  sessionMessageRoutes(app, api);
  preferenceRoutes(app, api);
  healthRoutes(app, api);
  docsRoutes(app, () => describeApi(api));

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

/** What `/openapi.json` says. A test compares it with the routes. */
export function describeApi({ deps }: { deps: Pick<Api['deps'], 'catalog' | 'partitions'> }): OpenApiDocument {
  const task = taskOf(deps.catalog);
  const sessions = [sessionPaths, sessionMessagePaths, preferencePaths];
  const others = [eventPaths, ...sessions, healthPaths, docsPaths];
  return openApiDocument(submitPaths(deps.catalog, task), taskPaths(deps, task), ...others);
}
