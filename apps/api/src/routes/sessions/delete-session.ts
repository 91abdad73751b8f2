/** `DELETE /api/chat/sessions/<id>`. */
import { isSessionId, noSession } from '@beanline/shared/session.ts';
import type { Api } from '../../http/context.ts';
import { reply } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { none } from '../../openapi/operation.ts';
import { SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';

export function deleteSessionRoute(app: App, { deps }: Api) {
  const { store, sessionCache } = deps;
  route(app, {
    method: 'delete',
    path: `${SESSIONS}/{session}`,
    operation: {
      operationId: 'deleteSession',
      summary: 'Deletes the session with all its messages',
      tag: TAG,
      path: SessionPath,
      answers: { 204: none('It is gone') },
      problems: ['not_found'],
    },
    async handler(c) {
      const [owner, id] = [c.get('owner'), sessionIdOf(c)];
      const deleted = isSessionId(id) && (await store.sessions.delete(owner, id));
      // Also when it was gone: the process that deleted it may have died before this.
      if (isSessionId(id)) await sessionCache.deleted(owner, id);
      if (!deleted) throw noSession();
      return reply(c, 204, null);
    },
  });
}
