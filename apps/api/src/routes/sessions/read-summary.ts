/** `GET /api/chat/sessions/<id>/summary`. */
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { summary as summaryExample } from '../../openapi/examples.ts';
import { json } from '../../openapi/operation.ts';
import { SummaryAnswer } from './session-answers.ts';
import { cached, cacheHeaders, SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';

export function readSummaryRoute(app: App, { deps }: Api) {
  route(app, {
    method: 'get',
    path: `${SESSIONS}/{session}/summary`,
    operation: {
      operationId: 'readSummary',
      summary: 'The summary of the older part of the session',
      tag: TAG,
      path: SessionPath,
      answers: { 200: json('The summary', SummaryAnswer, summaryExample, cached) },
      problems: ['not_found'],
    },
    async handler(c) {
      const { session, hit } = await readSession(deps, c.get('owner'), sessionIdOf(c));
      const { id, summary } = session;
      const answer: SummaryAnswer = {
        session_id: id,
        summary: summary?.text ?? null,
        messages_covered: summary?.messages ?? 0,
        created_at: summary ? new Date(summary.createdAt).toISOString() : null,
        source: hit ? 'cache' : 'database',
      };
      return replyJson(c, 200, answer, cacheHeaders(hit));
    },
  });
}
