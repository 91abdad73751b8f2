/** An owner's preferences. */
import { cachedPreferences, Preferences, writePreferences } from '@beanline/shared/sessions/preferences.ts';
import { parseFields } from '../../http/bad-fields.ts';
import { readJson } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { reply, replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { json, none } from '../../openapi/operation.ts';
import { cached, cacheHeaders, TAG } from './session-path.ts';

const example = { instructions: 'Answer in one sentence.', language: 'en' };

export function preferencesRoutes(app: App, { deps }: Api) {
  const path = '/api/chat/preferences';
  route(app, {
    method: 'get',
    path,
    operation: {
      operationId: 'readPreferences',
      summary: 'Your preferences: what every conversation of yours begins with',
      tag: TAG,
      answers: { 200: json('What is set', Preferences, example, cached) },
    },
    async handler(c) {
      const { json, hit } = await cachedPreferences(deps, c.get('owner'));
      return replyJson(c, 200, json, cacheHeaders(hit));
    },
  });
  route(app, {
    method: 'put',
    path,
    operation: {
      operationId: 'writePreferences',
      summary: 'Sets all of them: what is left out is unset',
      tag: TAG,
      body: { schema: Preferences, example },
      answers: { 200: json('What is set now', Preferences, example) },
    },
    async handler(c) {
      const preferences = parseFields(Preferences, await readJson(c));
      await writePreferences(deps, c.get('owner'), preferences);
      return replyJson(c, 200, preferences);
    },
  });
  route(app, {
    method: 'delete',
    path,
    operation: {
      operationId: 'deletePreferences',
      summary: 'Unsets them all',
      tag: TAG,
      answers: { 204: none('None is set') },
    },
    async handler(c) {
      await writePreferences(deps, c.get('owner'), null);
      return reply(c, 204, null);
    },
  });
}
