/** What may be done for a session: `POST /api/chat/sessions/<id>/title` and `/summary` submit a task of it. */
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import type { Hono } from 'hono';
import { invalid, readJsonIfAny } from '../../http/body.ts';
import type { Api, ApiEnv } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { accept, submitRequest } from '../submit/accept.ts';
import { sessionTypes } from '../submit/submit-paths.ts';
import { splitBody } from '../submit/submit-request.ts';
import { SessionTaskQuery } from './session-request.ts';
import { SESSIONS, sessionIdOf } from './sessions.ts';

export function sessionTaskRoutes(app: Hono<ApiEnv>, api: Api) {
  const { deps, config } = api;
  for (const [end, type] of sessionTypes(deps.catalog)) {
    app.post(`${SESSIONS}/:session/${end}`, async (c) => {
      const session = sessionIdOf(c);
      await readSession(deps, c.get('owner'), session);
      const asked = parseQuery(SessionTaskQuery, c);
      const { rawInput: given, ...parts } = splitBody((await readJsonIfAny(c.env.incoming, config)) ?? {});
      if (given.session_id !== undefined) throw invalid([{ path: 'session_id', message: 'is that of the path' }]);
      const rawInput = { ...asked, ...given, session_id: session };
      return accept(api, c, submitRequest(api, c, type, { ...parts, rawInput }));
    });
  }
}
