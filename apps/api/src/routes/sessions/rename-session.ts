/** `PATCH /api/chat/sessions/<id>/title`. */
import { isSessionId, noSession } from '@beanline/shared/session.ts';
import { invalid, parseFields } from '../../http/bad-fields.ts';
import { readJsonIfAny } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { reply } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { none } from '../../openapi/operation.ts';
import { SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';
import { TitleBody, TitleQuery } from './session-request.ts';

export function renameSessionRoute(app: App, { deps }: Api) {
  const { clock, store, sessionCache } = deps;
  route(app, {
    method: 'patch',
    path: `${SESSIONS}/{session}/title`,
    operation: {
      operationId: 'renameSession',
      summary: 'Gives the session a title, which no model replaces',
      tag: TAG,
      path: SessionPath,
      query: TitleQuery,
      body: { schema: TitleBody, example: { title: 'Queues' }, isOptional: true },
      answers: { 204: none('That is its title') },
      problems: ['not_found'],
    },
    async handler(c) {
      const asked = parseQuery(TitleQuery, c);
      const body = await readJsonIfAny(c);
      const { title } = body === undefined ? asked : parseFields(TitleBody, body);
      if (title === undefined) throw invalid({ path: 'title', message: 'is required' });
      const [owner, id] = [c.get('owner'), sessionIdOf(c)];
      const session = isSessionId(id) && (await store.sessions.setTitle(owner, id, title, 'client', clock.now()));
      if (!session) throw noSession();
      await sessionCache.changed(owner, id);
      return reply(c, 204, null);
    },
  });
}
