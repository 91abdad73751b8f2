/** Sessions: make, list and search, read, name, delete. Their messages are in `session-messages.ts`. */
import { noSession } from '@beanline/shared/errors.ts';
import { isSessionId, makeSessionId, type Session } from '@beanline/shared/session.ts';
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import { searchSessions } from '@beanline/shared/sessions/search-sessions.ts';
import { sessionJson } from '@beanline/shared/sessions/view.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import { invalid, parseBody, readJsonIfAny } from '../../http/body.ts';
import type { Api, ApiContext, ApiEnv } from '../../http/context.ts';
import { parseQuery } from '../../http/query.ts';
import { reply, replyJson } from '../../http/reply.ts';
import {
  answerHeaders,
  headersWith,
  json,
  ownerProblems,
  type Paths,
  problems,
  requestHeaders,
  SessionPath,
  sessionLinks,
  TAGS,
} from '../../openapi/operation.ts';
import { SessionAnswer, SessionList, SummaryAnswer, WholeSession } from './session-answers.ts';
import { ListQuery, SessionBody, sessionSearch, TitleBody, TitleQuery } from './session-request.ts';

export const SESSIONS = '/api/chat/sessions';

export const cacheHeaders = (hit: boolean) => ({ 'X-Cache': hit ? 'hit' : 'miss', 'Cache-Control': 'no-cache' });

export const sessionIdOf = (c: ApiContext): string => c.req.param('session') ?? '';

export function sessionRoutes(app: Hono<ApiEnv>, { deps, config }: Api) {
  const { clock, store, sessionCache } = deps;

  app.post(SESSIONS, async (c) => {
    const given = await readJsonIfAny(c.env.incoming, config);
    const body = parseBody(SessionBody, given === undefined ? {} : given);
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
  });

  app.get(SESSIONS, async (c) => {
    const owner = c.get('owner');
    const search = sessionSearch(parseQuery(ListQuery, c));
    const { json, hit } = await sessionCache.list(owner, JSON.stringify(search), async () => {
      const { sessions, total, isExact } = await searchSessions(deps, owner, search);
      const how = search.query === undefined ? {} : { search_type: 'keyword' };
      return JSON.stringify({ sessions: sessions.map(sessionJson), total, total_is_exact: isExact, ...how });
    });
    return replyJson(c, 200, json, cacheHeaders(hit));
  });

  app.get(`${SESSIONS}/:session`, async (c) => {
    const { session, page, hit } = await readSession(deps, c.get('owner'), sessionIdOf(c));
    return replyJson(c, 200, { session: { ...sessionJson(session), messages: page.messages } }, cacheHeaders(hit));
  });

  app.delete(`${SESSIONS}/:session`, async (c) => {
    const [owner, id] = [c.get('owner'), sessionIdOf(c)];
    const deleted = isSessionId(id) && (await store.sessions.delete(owner, id));
    // Also when it was gone: whoever deleted it may have died before he came this far.
    if (isSessionId(id)) await sessionCache.deleted(owner, id);
    if (!deleted) throw noSession();
    return reply(c, 204, null);
  });

  app.patch(`${SESSIONS}/:session/title`, async (c) => {
    const asked = parseQuery(TitleQuery, c);
    const body = await readJsonIfAny(c.env.incoming, config);
    const { title } = body === undefined ? asked : parseBody(TitleBody, body);
    if (title === undefined) throw invalid([{ path: 'title', message: 'is required' }]);
    const [owner, id] = [c.get('owner'), sessionIdOf(c)];
    const session = isSessionId(id) && (await store.sessions.setTitle(owner, id, title, 'client', clock.now()));
    if (!session) throw noSession();
    await sessionCache.changed(owner, id);
    return reply(c, 204, null);
  });

  app.get(`${SESSIONS}/:session/summary`, async (c) => {
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
  });
}

const header = z.object(requestHeaders);
const cached = { 'X-Cache': answerHeaders.cache };
const ofSession = { tags: [TAGS.sessions], requestParams: { header, path: SessionPath } };
const none = (description: string) => ({ description, headers: headersWith() });

export const sessionPaths: Paths = {
  [SESSIONS]: {
    post: {
      operationId: 'createSession',
      summary: 'Makes a session',
      tags: [TAGS.sessions],
      requestParams: { header },
      requestBody: {
        content: {
          'application/json': {
            schema: SessionBody,
            example: { title: 'Queues', feature_options: { colour: 'green' } },
          },
        },
      },
      responses: {
        201: {
          ...json('It is made', SessionAnswer, { Location: answerHeaders.location }),
          links: sessionLinks('$response.body#/session/session_id'),
        },
        ...problems('payload_too_large', 'unsupported_media_type', ...ownerProblems),
      },
    },
    get: {
      operationId: 'listSessions',
      summary: 'Your sessions, by any of their numbers, or by what was said in them',
      tags: [TAGS.sessions],
      requestParams: { header, query: ListQuery },
      responses: { 200: json('A page', SessionList, cached), ...problems(...ownerProblems) },
    },
  },
  [`${SESSIONS}/{session}`]: {
    get: {
      operationId: 'readSession',
      summary: 'The session with its newest messages',
      ...ofSession,
      responses: { 200: json('The session', WholeSession, cached), ...problems('not_found', ...ownerProblems) },
    },
    delete: {
      operationId: 'deleteSession',
      summary: 'Deletes the session with all its messages',
      ...ofSession,
      responses: { 204: none('It is gone'), ...problems('not_found', ...ownerProblems) },
    },
  },
  [`${SESSIONS}/{session}/title`]: {
    patch: {
      operationId: 'renameSession',
      summary: 'Gives the session a title, which no model replaces',
      tags: [TAGS.sessions],
      requestParams: { header, path: SessionPath, query: TitleQuery },
      requestBody: { content: { 'application/json': { schema: TitleBody, example: { title: 'Queues' } } } },
      responses: {
        204: none('That is its title'),
        ...problems('not_found', 'payload_too_large', 'unsupported_media_type', ...ownerProblems),
      },
    },
  },
  [`${SESSIONS}/{session}/summary`]: {
    get: {
      operationId: 'readSummary',
      summary: 'The summary of the older part of the session',
      ...ofSession,
      responses: { 200: json('The summary', SummaryAnswer, cached), ...problems('not_found', ...ownerProblems) },
    },
  },
};
