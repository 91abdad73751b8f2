/** An owner's preferences. */
import { cachedPreferences, Preferences, writePreferences } from '@beanline/shared/sessions/preferences.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import { parseBody, readJson } from '../../http/body.ts';
import type { Api, ApiEnv } from '../../http/context.ts';
import { reply, replyJson } from '../../http/reply.ts';
import {
  answerHeaders,
  headersWith,
  json,
  ownerProblems,
  type Paths,
  problems,
  requestHeaders,
  TAGS,
} from '../../openapi/operation.ts';
import { cacheHeaders } from './sessions.ts';

const PATH = '/api/chat/preferences';

export function preferenceRoutes(app: Hono<ApiEnv>, { deps, config }: Api) {
  app.get(PATH, async (c) => {
    const { json, hit } = await cachedPreferences(deps, c.get('owner'));
    return replyJson(c, 200, json, cacheHeaders(hit));
  });

  app.put(PATH, async (c) => {
    const preferences = parseBody(Preferences, await readJson(c.env.incoming, config));
    await writePreferences(deps, c.get('owner'), preferences);
    return replyJson(c, 200, preferences);
  });

  app.delete(PATH, async (c) => {
    await writePreferences(deps, c.get('owner'), null);
    return reply(c, 204, null);
  });
}

const requestParams = { header: z.object(requestHeaders) };
const asked = { tags: [TAGS.sessions], requestParams };

export const preferencePaths: Paths = {
  [PATH]: {
    get: {
      operationId: 'readPreferences',
      summary: 'Your preferences: what every conversation of yours begins with',
      ...asked,
      responses: {
        200: json('What is set', Preferences, { 'X-Cache': answerHeaders.cache }),
        ...problems(...ownerProblems),
      },
    },
    put: {
      operationId: 'writePreferences',
      summary: 'Sets all of them: what is left out is unset',
      ...asked,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: Preferences,
            example: { instructions: 'Answer in one sentence.', language: 'en' },
          },
        },
      },
      responses: {
        200: json('What is set now', Preferences),
        ...problems('payload_too_large', 'unsupported_media_type', ...ownerProblems),
      },
    },
    delete: {
      operationId: 'deletePreferences',
      summary: 'Unsets them all',
      ...asked,
      responses: { 204: { description: 'None is set', headers: headersWith() }, ...problems(...ownerProblems) },
    },
  },
};
