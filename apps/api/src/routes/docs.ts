/** `/openapi.json`, the viewer at `/docs` (all its files from npm, none from elsewhere), and `/`, which leads there. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { TaskError } from '@beanline/shared/errors.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import type { ApiContext, ApiEnv } from '../http/context.ts';
import { reply, replyJson } from '../http/reply.ts';
import { Index } from '../openapi/answers.ts';
import { type OpenApiDocument, VERSION } from '../openapi/document.ts';
import { answerHeaders, headersWith, json, type Paths, problems, requestHeaders, TAGS } from '../openapi/operation.ts';

const own = (name: string) => new URL(`../docs/${name}`, import.meta.url);

const SCRIPT = 'text/javascript; charset=utf-8';
/** All there is under `/docs`: a name that is not here is 404, so no name leads out of it. */
const files = new Map([
  ['initializer.js', { url: own('initializer.js'), type: SCRIPT }],
  ['swagger-ui-bundle.js', { url: new URL(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')), type: SCRIPT }],
  [
    'swagger-ui.css',
    { url: new URL(import.meta.resolve('swagger-ui-dist/swagger-ui.css')), type: 'text/css; charset=utf-8' },
  ],
  ['favicon-32x32.png', { url: new URL(import.meta.resolve('swagger-ui-dist/favicon-32x32.png')), type: 'image/png' }],
]);
const page = { url: own('index.html'), type: 'text/html; charset=utf-8' };

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

const tagOf = (body: string | Buffer) => `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;

/** Computes once, at the first call; a failure is tried again. */
function once<T, Key>(make: (key: Key) => Promise<T>) {
  const made = new Map<Key, Promise<T>>();
  return (key: Key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    known.catch(() => made.delete(key));
    return known;
  };
}

export function docsRoutes(app: Hono<ApiEnv>, describe: () => OpenApiDocument) {
  const read = once(async (url: URL) => {
    const body = await readFile(fileURLToPath(url));
    return { body: new Uint8Array(body), tag: tagOf(body) };
  });
  const document = once(async () => {
    const body = JSON.stringify(describe());
    return { body, tag: tagOf(body) };
  });

  /** The body, or 304 to a client that has it. Checked each time: a new release must not meet old files. */
  function send(c: ApiContext, { body, tag }: { body: string | Uint8Array<ArrayBuffer>; tag: string }, type: string) {
    const headers = { ETag: tag, 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' };
    if ((c.req.header('if-none-match') ?? '').includes(tag)) return reply(c, 304, null, headers);
    const policy = type.startsWith('text/html') ? { 'Content-Security-Policy': POLICY } : {};
    return reply(c, 200, body, { 'Content-Type': type, 'Referrer-Policy': 'no-referrer', ...policy, ...headers });
  }

  app.get('/', (c) => {
    const Vary = 'Accept';
    if (/\btext\/html\b/i.test(c.req.header('accept') ?? '')) {
      return reply(c, 302, null, { Location: '/docs', Vary });
    }
    const links = { docs: '/docs', openapi: '/openapi.json', health: '/healthz' };
    const index: Index = { name: 'beanline', version: VERSION, ...links };
    return replyJson(c, 200, index, { Vary });
  });
  app.get('/openapi.json', async (c) => send(c, await document(undefined), 'application/json'));
  app.get('/docs', async (c) => send(c, await read(page.url), page.type));
  app.get('/docs/', (c) => reply(c, 308, null, { Location: '/docs' }));
  app.get('/docs/:file', async (c) => {
    const file = files.get(c.req.param('file'));
    if (!file) throw new TaskError('not_found', 'There is no such page.');
    return send(c, await read(file.url), file.type);
  });
}

const unchanged = {
  description: 'The client has it',
  headers: headersWith({ ETag: answerHeaders.tag }),
};
const headers = headersWith({ ETag: answerHeaders.tag });
const asked = {
  tags: [TAGS.docs],
  security: [],
  requestParams: {
    header: z.object({ ...requestHeaders, 'If-None-Match': z.string().optional() }),
  },
};
const text = { schema: { type: 'string' as const } };

export const docsPaths: Paths = {
  '/': {
    get: {
      operationId: 'index',
      summary: 'Where things are; leads a browser to the viewer',
      ...asked,
      requestParams: { header: z.object(requestHeaders) },
      responses: {
        200: json('Where things are', Index),
        302: {
          description: 'To the viewer, with `Accept: text/html`',
          headers: headersWith({ Location: answerHeaders.location }),
        },
        ...problems(),
      },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This description',
      ...asked,
      responses: {
        200: json('OpenAPI 3.1', z.record(z.string(), z.unknown()), { ETag: answerHeaders.tag }),
        304: unchanged,
        ...problems(),
      },
    },
  },
  '/docs': {
    get: {
      operationId: 'docs',
      summary: 'A viewer of this description',
      ...asked,
      responses: {
        200: { description: 'The page', headers, content: { 'text/html': text } },
        304: unchanged,
        ...problems(),
      },
    },
  },
  '/docs/': {
    get: {
      operationId: 'docsSlash',
      summary: 'Leads to the viewer',
      ...asked,
      requestParams: { header: z.object(requestHeaders) },
      responses: {
        308: { description: 'To the viewer', headers: headersWith({ Location: answerHeaders.location }) },
        ...problems(),
      },
    },
  },
  '/docs/{file}': {
    get: {
      operationId: 'docsFile',
      summary: "The viewer's files",
      ...asked,
      requestParams: { ...asked.requestParams, path: z.object({ file: z.enum([...files.keys()]) }) },
      responses: {
        200: {
          description: 'The file',
          headers,
          content: { 'text/javascript': text, 'text/css': text, 'image/png': {} },
        },
        304: unchanged,
        ...problems('not_found'),
      },
    },
  },
};
