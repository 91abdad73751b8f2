/** `GET /api/chat/sessions`: lists and searches. */
import { searchSessions } from '@beanline/shared/sessions/search-sessions.ts';
import { sessionJson } from '@beanline/shared/sessions/view.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { session } from '../../openapi/examples.ts';
import { json } from '../../openapi/operation.ts';
import { SessionList } from './session-answers.ts';
import { cached, cacheHeaders, SESSIONS, TAG } from './session-path.ts';
import { ListQuery, sessionSearch } from './session-request.ts';

export function listSessionsRoute(app: App, { deps }: Api) {
  route(app, {
    method: 'get',
    path: SESSIONS,
    operation: {
      operationId: 'listSessions',
      summary: 'Your sessions, by any of their numbers, or by what was said in them',
      tag: TAG,
      query: ListQuery,
      answers: { 200: json('A page', SessionList, { sessions: [session], total: 1, total_is_exact: true }, cached) },
    },
    async handler(c) {
      const owner = c.get('owner');
      const search = sessionSearch(parseQuery(ListQuery, c));
      const { json, hit } = await deps.sessionCache.list(owner, JSON.stringify(search), async () => {
        const { sessions, total, isExact } = await searchSessions(deps, owner, search);
        const how = search.query === undefined ? {} : { search_type: 'keyword' };
        return JSON.stringify({ sessions: sessions.map(sessionJson), total, total_is_exact: isExact, ...how });
      });
      return replyJson(c, 200, json, cacheHeaders(hit));
    },
  });
}
