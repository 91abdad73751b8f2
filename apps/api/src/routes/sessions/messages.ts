/** The messages of a session: read them, page by page, and add one that no task made. */
import { allows } from '@beanline/shared/owner.ts';
import { postMessage } from '@beanline/shared/sessions/post-message.ts';
import { readMessages } from '@beanline/shared/sessions/read-session.ts';
import { messageJson, sessionJson } from '@beanline/shared/sessions/view.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import { fieldErrors, invalid, parseBody, readJson } from '../../http/body.ts';
import type { Api, ApiEnv } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { replyJson } from '../../http/reply.ts';
import {
  answerHeaders,
  json,
  ownerProblems,
  type Paths,
  problems,
  requestHeaders,
  SessionPath,
  TAGS,
} from '../../openapi/operation.ts';
import { IdempotencyKey } from '../submit/submit-request.ts';
import { MessageList, MessagePosted } from './session-answers.ts';
import { MessageBody, newMessage, PageQuery } from './session-request.ts';
import { cacheHeaders, SESSIONS, sessionIdOf } from './sessions.ts';

export function sessionMessageRoutes(app: Hono<ApiEnv>, { deps, config }: Api) {
  app.get(`${SESSIONS}/:session/messages`, async (c) => {
    const { limit, before = null } = parseQuery(PageQuery, c);
    const { page, hit } = await readMessages(deps, c.get('owner'), sessionIdOf(c), { limit, before });
    const { messages, more } = page;
    const next_cursor = more ? (messages[0]?.message_id ?? null) : null;
    return replyJson(c, 200, { messages, count: messages.length, next_cursor }, cacheHeaders(hit));
  });

  app.post(`${SESSIONS}/:session/messages`, async (c) => {
    const key = IdempotencyKey.optional().safeParse(c.env.incoming.headers['idempotency-key']?.toString());
    if (!key.success) throw invalid(fieldErrors(key.error, ['Idempotency-Key']));
    const body = parseBody(MessageBody, await readJson(c.env.incoming, config));
    const place = { owner: c.get('owner'), sessionId: sessionIdOf(c), idempotencyKey: key.data };
    const { message, session, replayed } = await postMessage(deps, place, newMessage(body));
    const seen = allows(c.get('caller').scopes, 'read') ? { session: sessionJson(session) } : {};
    const headers: Record<string, string> = replayed ? { 'Idempotency-Replayed': 'true' } : {};
    return replyJson(c, 201, { message: messageJson(message), ...seen }, headers);
  });
}

const header = z.object(requestHeaders);

export const sessionMessagePaths: Paths = {
  [`${SESSIONS}/{session}/messages`]: {
    get: {
      operationId: 'readMessages',
      summary: 'The messages of the session, the newest page first',
      tags: [TAGS.sessions],
      requestParams: { header, path: SessionPath, query: PageQuery },
      responses: {
        200: json('A page', MessageList, { 'X-Cache': answerHeaders.cache }),
        ...problems('not_found', ...ownerProblems),
      },
    },
    post: {
      operationId: 'postMessage',
      summary: 'Adds a message; no model answers it',
      tags: [TAGS.sessions],
      requestParams: {
        header: header.extend({
          'Idempotency-Key': IdempotencyKey.optional().meta({
            description: 'The same key and message are one message of the session; kept 24 h',
          }),
        }),
        path: SessionPath,
      },
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: MessageBody, example: { role: 'user', content: 'What is a queue?' } },
        },
      },
      responses: {
        201: json('It is there', MessagePosted, { 'Idempotency-Replayed': answerHeaders.replayed }),
        ...problems(
          'not_found',
          'idempotency_conflict',
          'payload_too_large',
          'unsupported_media_type',
          ...ownerProblems,
        ),
      },
    },
  },
};
