/** `/healthz`: the process lives. */
import { replyJson } from '../http/reply.ts';
import { type App, route } from '../http/route.ts';
import { Health } from '../openapi/answers.ts';
import { json } from '../openapi/operation.ts';

export const TAG = 'Monitoring';

export function healthRoute(app: App) {
  route(app, {
    method: 'get',
    path: '/healthz',
    isPublic: true,
    operation: {
      operationId: 'health',
      summary: 'The process lives',
      tag: TAG,
      answers: { 200: json('It does', Health, { status: 'ok' }) },
    },
    handler: (c) => replyJson(c, 200, { status: 'ok' }),
  });
}
