/** The viewer at `/docs`: all its files from npm, none from elsewhere. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { TaskError } from '@beanline/shared/errors.ts';
import { reply } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { answerHeaders, headersWith } from '../../openapi/operation.ts';
import { TAG } from './openapi.ts';
import { once, replyTagged, tagged, taggedAnswers, taggedHeader } from './tagged.ts';

/** Read when it is first asked for. */
const file = (url: URL | string, type: string) =>
  once(async () => tagged(new Uint8Array(await readFile(fileURLToPath(url))), type));

const own = (name: string) => new URL(`../../docs/${name}`, import.meta.url);

const SCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const page = file(own('index.html'), 'text/html; charset=utf-8');
/** All there is under `/docs`: a name that is not here is 404, so no name leads out of it. */
const files = new Map([
  ['initializer.js', file(own('initializer.js'), SCRIPT)],
  ['swagger-ui-bundle.js', file(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js'), SCRIPT)],
  ['swagger-ui.css', file(import.meta.resolve('swagger-ui-dist/swagger-ui.css'), CSS)],
  ['favicon-32x32.png', file(import.meta.resolve('swagger-ui-dist/favicon-32x32.png'), 'image/png')],
]);

/** Scripts, styles and requests of this server only; the viewer's icons are data URLs. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = headersWith({ ETag: answerHeaders.tag });
const text = { schema: { type: 'string' as const } };

export function viewerRoutes(app: App) {
  route(app, {
    method: 'get',
    path: '/docs',
    isPublic: true,
    operation: {
      operationId: 'docs',
      summary: 'A viewer of this description',
      tag: TAG,
      header: taggedHeader,
      answers: taggedAnswers({ description: 'The page', headers, content: { 'text/html': text } }),
    },
    handler: async (c) => replyTagged(c, await page(), { 'Content-Security-Policy': POLICY }),
  });
  route(app, {
    method: 'get',
    path: '/docs/',
    isPublic: true,
    handler: (c) => reply(c, 308, null, { Location: '/docs' }),
  });
  route(app, {
    method: 'get',
    path: '/docs/{file}',
    isPublic: true,
    async handler(c) {
      const read = files.get(c.req.param('file') ?? '');
      if (!read) throw new TaskError('not_found', 'There is no such page.');
      return replyTagged(c, await read());
    },
  });
}
