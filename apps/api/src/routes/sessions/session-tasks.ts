/** What may be done for a session: `POST /api/chat/sessions/<id>/title` and `/summary` submit a task of it. */
import type { JobType } from '@beanline/shared/job-type.ts';
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import { invalid } from '../../http/bad-fields.ts';
import { readJsonIfAny } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { type App, route } from '../../http/route.ts';
import { nameOf } from '../../openapi/job-types.ts';
import { accept, submitRequest } from '../submit/accept.ts';
import { sessionBodyOf } from '../submit/bodies.ts';
import { submitOperation } from '../submit/submit-operation.ts';
import { splitBody } from '../submit/submit-request.ts';
import { SESSIONS, SessionPath, sessionIdOf } from './session-path.ts';
import { SessionTaskQuery } from './session-request.ts';

/** Job types that need nothing but a session, by the end of their route. */
const SESSION_TYPES = { title: 'session.title', summary: 'session.summary' };

/** One for each of these that the catalog has. */
export function sessionTaskRoutes(app: App, api: Api) {
  for (const [end, name] of Object.entries(SESSION_TYPES)) {
    const type = api.deps.catalog.get(name);
    if (type) sessionTaskRoute(app, api, type, end);
  }
}

function sessionTaskRoute(app: App, api: Api, type: JobType, end: string) {
  route(app, {
    method: 'post',
    path: `${SESSIONS}/{session}/${end}`,
    operation: submitOperation(api, {
      type,
      operationId: `submit${nameOf(type)}`,
      summary: `Submits a task of type ${type.name} for the session`,
      path: SessionPath,
      query: SessionTaskQuery,
      body: { schema: sessionBodyOf(type), example: { model: 'builtin/extract' }, isOptional: true },
      problems: ['not_found'],
    }),
    async handler(c) {
      const session = sessionIdOf(c);
      await readSession(api.deps, c.get('owner'), session);
      const asked = parseQuery(SessionTaskQuery, c);
      const { rawInput: given, ...parts } = splitBody((await readJsonIfAny(c)) ?? {});
      if (given.session_id !== undefined) throw invalid({ path: 'session_id', message: 'is that of the path' });
      const rawInput = { ...asked, ...given, session_id: session };
      return accept(api, c, submitRequest(api, c, type, { ...parts, rawInput }));
    },
  });
}
