import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ask, assertProblem, rawGet } from '../../../../scripts/testing/raw.ts';

let system: InProcess;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
});
after(() => system.stop());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${system.url}${path}`, { headers, redirect: 'manual' });

/** What a page names, as paths of this server. */
const named = (html: string, from: string) =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => new URL(url, `${system.url}${from}`));

test('/ leads a browser to the viewer, and tells any other client where things are', async () => {
  const browser = await get('/', { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' });
  assert.deepEqual([browser.status, browser.headers.get('location')], [302, '/docs']);
  for (const Accept of ['*/*', 'application/json']) {
    const { status, headers, json } = await ask(`${system.url}/`, { headers: { Accept } });
    assert.equal(status, 200);
    assert.equal(headers.get('vary'), 'Accept');
    assert.equal(json.name, 'beanline');
    for (const path of [json.docs, json.openapi, json.health]) assert.equal((await get(path)).status, 200, path);
  }
});

test('/docs/ leads to the viewer too', async () => {
  const { status, headers } = await get('/docs/');
  assert.deepEqual([status, headers.get('location')], [308, '/docs']);
});

test('the viewer is whole without any other server: all it names is served here, with its type', async () => {
  const page = await get('/docs');
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  const html = await page.text();
  const urls = named(html, '/docs');
  assert.deepEqual(
    urls.map(({ pathname }) => pathname),
    [
      '/docs/favicon-32x32.png',
      '/docs/swagger-ui.css',
      '/docs/swagger-ui-bundle.js',
      '/docs/initializer.js',
      '/openapi.json',
    ],
  );
  const types: Record<string, RegExp> = {
    js: /^text\/javascript; charset=utf-8$/,
    css: /^text\/css; charset=utf-8$/,
    png: /^image\/png$/,
    json: /^application\/json$/,
  };
  for (const { origin, pathname } of urls) {
    assert.equal(origin, system.url);
    const response = await get(pathname);
    assert.equal(response.status, 200, pathname);
    assert.match(response.headers.get('content-type') ?? '', types[pathname.split('.').at(-1) ?? ''] ?? /$^/);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.ok((await response.arrayBuffer()).byteLength > 100, pathname);
  }
  const initializer = await (await get('/docs/initializer.js')).text();
  const described = /url: '([^']+)'/.exec(initializer)?.[1] ?? '';
  assert.equal(new URL(described, `${system.url}/docs`).pathname, '/openapi.json');
  assert.doesNotMatch(initializer + html, /https?:/);
  assert.doesNotMatch(await (await get('/docs/swagger-ui.css')).text(), /@import|url\((?!["']?data:)/);
});

test("the viewer's policy allows scripts of this server only, and the page has none of its own", async () => {
  const page = await get('/docs');
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none'; script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.match(policy, /frame-ancestors 'none'/);
  const html = await page.text();
  for (const [script] of html.matchAll(/<script[^>]*>[^<]*/g)) assert.match(script, /^<script src="[^"]+" defer>$/);
  assert.doesNotMatch(html, /<style|\son\w+=|\sstyle=|javascript:/i);
});

test('who has a file is answered 304, by its tag', async () => {
  for (const path of ['/docs', '/docs/swagger-ui-bundle.js', '/openapi.json']) {
    const first = await get(path);
    const tag = first.headers.get('etag') ?? '';
    assert.match(tag, /^"[\w-]{20,}"$/);
    assert.equal(first.headers.get('cache-control'), 'no-cache');
    const again = await get(path, { 'If-None-Match': `W/${tag}` });
    assert.deepEqual([again.status, await again.text(), again.headers.get('etag')], [304, '', tag]);
    assert.equal((await get(path, { 'If-None-Match': '"another"' })).status, 200);
    const head = await fetch(`${system.url}${path}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('etag'), await head.text()], [200, tag, '']);
  }
});

test('no name leads out of the viewer: all but its files are 404, as any page that does not exist', async () => {
  for (const name of [
    '..%2f..%2f..%2fpackage.json',
    '%2e%2e%2fapp.ts',
    '..%5c..%5capp.ts',
    'package.json',
    'index.html',
    'swagger-ui.css%00',
    'swagger-ui.css%2f..',
    'SWAGGER-UI.CSS',
    'constructor',
    '__proto__',
    '%2fetc%2fpasswd',
  ]) {
    assertProblem(await ask(`${system.url}/docs/${name}`), 404, 'not_found');
  }
  // As no client library would send it.
  for (const path of ['/docs/../../package.json', '/docs/../docs/../app.ts', '/docs//etc/passwd']) {
    const connection = rawGet(Number(new URL(system.url).port), path, { Connection: 'close' });
    assert.match(await connection.ended, /^HTTP\/1\.1 404 /);
  }
});
