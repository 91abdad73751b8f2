/** `POST /api/chat/sessions`. */
import { makeSessionId, type Session } from '@beanline/shared/session.ts';
import { sessionJson } from '@beanline/shared/sessions/view.ts';
import { parseFields } from '../../http/bad-fields.ts';
import { readJsonIfAny } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { session as sessionExample } from '../../openapi/examples.ts';
import { answerHeaders, json } from '../../openapi/operation.ts';
import { SessionAnswer } from './session-answers.ts';
import { SESSIONS, sessionLinks, TAG } from './session-path.ts';
import { SessionBody } from './session-request.ts';

export function createSessionRoute(app: App, { deps }: Api) {
  const { clock, store, sessionCache } = deps;
  route(app, {
    method: 'post',
    path: SESSIONS,
    operation: {
      operationId: 'createSession',
      summary: 'Makes a session',
      tag: TAG,
      body: {
        schema: SessionBody,
        example: { title: 'Queues', feature_options: { colour: 'green' } },
        isOptional: true,
      },
      answers: {
        201: {
          ...json(
            'It is made',
            SessionAnswer,
            { session: { ...sessionExample, message_count: 0 } },
            { Location: answerHeaders.location },
          ),
          links: sessionLinks('$response.body#/session/session_id'),
        },
      },
    },
    async handler(c) {
      const given = await readJsonIfAny(c);
      const body = parseFields(SessionBody, given === undefined ? {} : given);
      const owner = c.get('owner');
      const now = clock.now();
      const session: Session = {
        id: makeSessionId(now),
        owner,
        title: body.title ?? null,
        titleBy: body.title === undefined ? null : 'client',
        featureMode: body.feature_mode,
        model: body.model ?? null,
        featureOptions: body.feature_options ?? '{}',
        createdAt: now,
        updatedAt: now,
        totalTokens: 0,
        messageCount: 0,
        summary: null,
      };
      await store.sessions.create(session);
      await sessionCache.changed(owner, session.id);
      return replyJson(c, 201, { session: sessionJson(session) }, { Location: `${SESSIONS}/${session.id}` });
    },
  });
}
