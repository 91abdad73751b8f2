/** `/openapi.json`, and `/`, which leads people to the viewer. */
import { z } from 'zod';
import { reply, replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { openApiDocument, VERSION } from '../../openapi/document.ts';
import { answerHeaders, json } from '../../openapi/operation.ts';
import { once, replyTagged, tagged, taggedAnswers, taggedHeader } from './tagged.ts';

export const TAG = 'Documentation';

export function indexRoute(app: App) {
  route(app, {
    method: 'get',
    path: '/',
    isPublic: true,
    handler(c) {
      const Vary = 'Accept';
      if (/\btext\/html\b/i.test(c.req.header('accept') ?? '')) {
        return reply(c, 302, null, { Location: '/docs', Vary });
      }
      const links = { docs: '/docs', openapi: '/openapi.json', health: '/healthz' };
      return replyJson(c, 200, { name: 'beanline', version: VERSION, ...links }, { Vary });
    },
  });
}

/** Describes every route of the application, those declared later too. */
/** How it begins. */
const example = { openapi: '3.1.1', info: { title: 'beanline', version: VERSION }, paths: {} };

export function openApiRoute(app: App) {
  const document = once(async () => tagged(JSON.stringify(openApiDocument(app.routes)), 'application/json'));
  route(app, {
    method: 'get',
    path: '/openapi.json',
    isPublic: true,
    operation: {
      operationId: 'openapi',
      summary: 'This description',
      tag: TAG,
      header: taggedHeader,
      answers: taggedAnswers(
        json('OpenAPI 3.1', z.record(z.string(), z.unknown()), example, { ETag: answerHeaders.tag }),
      ),
    },
    handler: async (c) => replyTagged(c, await document()),
  });
}
