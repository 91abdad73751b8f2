/** `GET /api/chat/sessions/<id>`. */
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import { sessionJson } from '@beanline/shared/sessions/view.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { message, session as sessionExample } from '../../openapi/examples.ts';
import { json } from '../../openapi/operation.ts';
import { WholeSession } from './session-answers.ts';
import { cached, cacheHeaders, SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';

export function readSessionRoute(app: App, { deps }: Api) {
  route(app, {
    method: 'get',
    path: `${SESSIONS}/{session}`,
    operation: {
      operationId: 'readSession',
      summary: 'The session with its newest messages',
      tag: TAG,
      path: SessionPath,
      answers: {
        200: json('The session', WholeSession, { session: { ...sessionExample, messages: [message] } }, cached),
      },
      problems: ['not_found'],
    },
    async handler(c) {
      const { session, page, hit } = await readSession(deps, c.get('owner'), sessionIdOf(c));
      return replyJson(c, 200, { session: { ...sessionJson(session), messages: page.messages } }, cacheHeaders(hit));
    },
  });
}
