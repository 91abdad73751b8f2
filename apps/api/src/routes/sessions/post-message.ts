/** `POST /api/chat/sessions/<id>/messages`: a message that no task made. */
import { allows } from '@beanline/shared/owner.ts';
import { postMessage } from '@beanline/shared/sessions/post-message.ts';
import { messageJson, sessionJson } from '@beanline/shared/sessions/view.ts';
import { z } from 'zod';
import { parseFields } from '../../http/bad-fields.ts';
import { readJson } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { message as messageExample, session as sessionExample } from '../../openapi/examples.ts';
import { answerHeaders, json, requestHeaders } from '../../openapi/operation.ts';
import { IdempotencyKey } from '../submit/submit-request.ts';
import { MessagePosted } from './session-answers.ts';
import { SESSIONS, SessionPath, sessionIdOf, TAG } from './session-path.ts';
import { MessageBody, newMessage } from './session-request.ts';

export function postMessageRoute(app: App, { deps }: Api) {
  route(app, {
    method: 'post',
    path: `${SESSIONS}/{session}/messages`,
    operation: {
      operationId: 'postMessage',
      summary: 'Adds a message; no model answers it',
      tag: TAG,
      path: SessionPath,
      header: z.object({
        ...requestHeaders,
        'Idempotency-Key': IdempotencyKey.optional().meta({
          description: 'The same key and message are one message of the session; kept 24 h',
        }),
      }),
      body: { schema: MessageBody, example: { role: 'user', content: 'What is a queue?' } },
      answers: {
        201: json(
          'It is there',
          MessagePosted,
          { message: messageExample, session: sessionExample },
          { 'Idempotency-Replayed': answerHeaders.replayed },
        ),
      },
      problems: ['not_found', 'idempotency_conflict'],
    },
    async handler(c) {
      const given = c.env.incoming.headers['idempotency-key']?.toString();
      const key = parseFields(IdempotencyKey.optional(), given, ['Idempotency-Key']);
      const body = parseFields(MessageBody, await readJson(c));
      const place = { owner: c.get('owner'), sessionId: sessionIdOf(c), idempotencyKey: key };
      const { message, session, replayed } = await postMessage(deps, place, newMessage(body));
      const seen = allows(c.get('caller').scopes, 'read') ? { session: sessionJson(session) } : {};
      const headers: Record<string, string> = replayed ? { 'Idempotency-Replayed': 'true' } : {};
      return replyJson(c, 201, { message: messageJson(message), ...seen }, headers);
    },
  });
}
