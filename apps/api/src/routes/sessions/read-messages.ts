/** `GET /api/chat/sessions/<id>/messages`, page by page. */
import { readMessages } from '@beanline/shared/sessions/read-session.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { message } from '../../openapi/examples.ts';
import { json } from '../../openapi/operation.ts';
import { MessageList } from './session-answers.ts';
import { cached, cacheHeaders, SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';
import { PageQuery } from './session-request.ts';

export function readMessagesRoute(app: App, { deps }: Api) {
  route(app, {
    method: 'get',
    path: `${SESSIONS}/{session}/messages`,
    operation: {
      operationId: 'readMessages',
      summary: 'The messages of the session, the newest page first',
      tag: TAG,
      path: SessionPath,
      query: PageQuery,
      answers: { 200: json('A page', MessageList, { messages: [message], count: 1, next_cursor: null }, cached) },
      problems: ['not_found'],
    },
    async handler(c) {
      const { limit, before = null } = parseQuery(PageQuery, c);
      const { page, hit } = await readMessages(deps, c.get('owner'), sessionIdOf(c), { limit, before });
      const { messages, more } = page;
      const next_cursor = more ? (messages[0]?.message_id ?? null) : null;
      return replyJson(c, 200, { messages, count: messages.length, next_cursor }, cacheHeaders(hit));
    },
  });
}
