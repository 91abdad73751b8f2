import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createAdaptorServer } from '@hono/node-server';
import { z } from 'zod';
import { bearer } from '../../../../scripts/testing/owners.ts';
import { ask, assertProblem } from '../../../../scripts/testing/raw.ts';
import { wiredTo } from '../../../../scripts/testing/wired.ts';
import { createApp } from '../app.ts';
import { json } from '../openapi/operation.ts';
import { routes } from '../routes/catalog.ts';

import { parseFields } from './bad-fields.ts';
import { readJson } from './body.ts';
import { createApi } from './context.ts';

import { replyJson } from './reply.ts';
import { type AddRoute, type App, isAtOneOf, methodsAt, route } from './route.ts';
import { HttpVariables } from './variables.ts';

const Greeting = z.strictObject({ words: z.string().min(1).meta({ description: 'What is said' }) });
const Greeted = z.object({ text: z.string().meta({ description: 'The greeting' }) }).meta({ id: 'Greeted' });
const Who = z.object({ name: z.string().min(1).meta({ description: 'Who is greeted' }) });

/** A route as docs/internals/routes.md adds one: a file with this, and its name in routes/catalog.ts. */
function greetRoute(app: App) {
  route(app, {
    method: 'put',
    path: '/people.v1/{name}/greeting',
    operation: {
      operationId: 'greet',
      summary: 'Greets somebody',
      tag: 'Greetings',
      path: Who,
      body: { schema: Greeting, example: { words: 'Hello' } },
      answers: { 201: json('It is said', Greeted, { text: 'Hello, Anna (local)' }) },
      problems: ['not_found'],
    },
    async handler(c) {
      const { words } = parseFields(Greeting, await readJson(c));
      return replyJson(c, 201, { text: `${words}, ${c.req.param('name')} (${c.get('owner')})` });
    },
  });
}

function noticeRoute(app: App) {
  route(app, {
    method: 'get',
    path: '/notices/{name}',
    isPublic: true,
    operation: {
      operationId: 'notice',
      summary: 'A notice to all',
      tag: 'Greetings',
      path: Who,
      answers: { 200: json('It', Greeted, { text: 'Anna' }) },
    },
    handler: (c) => replyJson(c, 200, { text: c.req.param('name') }),
  });
}

const KEY = 'anna-key-0123456789';

/** The API with these routes beside its own, served by this process. */
async function serve(t: TestContext, more: AddRoute[], env: Record<string, string> = {}) {
  const { deps, redis } = await wiredTo(t, env);
  const config = readConfig({ ...env, REDIS_URL: redis.url }, HttpVariables);
  const app = createApp(createApi(deps, config, new AbortController().signal), [...routes, ...more]);
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, deps };
}

const put = (body: unknown, headers: Record<string, string> = {}) => ({
  method: 'PUT',
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

test('a route that is added answers, and is in the document with all that every route has', async (t) => {
  const { url } = await serve(t, [greetRoute]);
  const greeting = `${url}/people.v1/Anna/greeting`;
  const answer = await ask(greeting, put({ words: 'Hello' }, { 'X-Request-Id': 'mine' }));
  assert.deepEqual([answer.status, answer.json], [201, { text: 'Hello, Anna (local)' }]);
  assert.equal(answer.headers.get('x-request-id'), 'mine');

  const { json: document } = await ask(`${url}/openapi.json`);
  assert.ok(document.paths['/tasks'], 'beside the others');
  assert.equal(document.tags.at(-1).name, 'Greetings');
  const { put: operation, ...others } = document.paths['/people.v1/{name}/greeting'];
  assert.deepEqual(others, {});
  assert.deepEqual(operation.tags, ['Greetings']);
  assert.deepEqual(
    operation.parameters.map((parameter: { name: string; in: string }) => `${parameter.in} ${parameter.name}`),
    ['header X-Request-Id', 'path name'],
  );
  assert.equal(operation.requestBody.required, true);
  const statuses = '201 400 401 403 404 408 413 415 429 500 503';
  assert.equal(Object.keys(operation.responses).join(' '), statuses);
  assert.ok(document.components.schemas.Greeted);
});

test('a route that is added refuses as every route: a bad body, another media type, a page of another origin', async (t) => {
  const { url } = await serve(t, [greetRoute]);
  const greeting = `${url}/people.v1/Anna/greeting`;
  const bad = await ask(greeting, put({ words: 7, other: 1 }));
  assertProblem(bad, 400, 'invalid_request');
  assert.deepEqual(
    bad.json.errors.map(({ path }: { path: string }) => path),
    ['words', 'other'],
  );
  assertProblem(await ask(greeting, put({}, { 'Content-Type': 'text/plain' })), 415, 'unsupported_media_type');
  assertProblem(await ask(greeting, put({ words: 'Hi' }, { Origin: 'https://evil.example' })), 403, 'forbidden');
});

test('a route that is added needs a key and its scope where there are keys, unless it is public', async (t) => {
  const { url, deps } = await serve(t, [greetRoute, noticeRoute], { API_KEYS: `anna:${KEY}` });
  const greeting = `${url}/people.v1/Anna/greeting`;
  const reader = await deps.apiKeys.create({ owner: 'ben', scopes: ['read'] });
  assertProblem(await ask(greeting, put({ words: 'Hello' })), 401, 'unauthorized');
  assertProblem(await ask(greeting, put({ words: 'Hello' }, bearer(reader.token))), 403, 'forbidden');
  const answer = await ask(greeting, put({ words: 'Hello' }, bearer(KEY)));
  assert.deepEqual([answer.status, answer.json.text], [201, 'Hello, Anna (anna)']);

  assert.equal((await ask(`${url}/notices/all`)).json.text, 'all');
  assertProblem(await ask(`${url}/notices/all`, { method: 'DELETE' }), 405, 'method_not_allowed');
  const { json: document } = await ask(`${url}/openapi.json`);
  const { get: notice } = document.paths['/notices/{name}'];
  assert.deepEqual(notice.security, []);
  assert.deepEqual(Object.keys(notice.responses), ['200', '400', '408', '500']);
});

test('a path allows the methods of its routes, to the letter, and no other path is one', async (t) => {
  const { url } = await serve(t, [greetRoute]);
  for (const [path, allow] of [
    ['/people.v1/Anna/greeting', 'PUT'],
    ['/tasks', 'POST, GET'],
    ['/tasks/task_1', 'GET'],
    ['/api/chat/sessions/sess_1', 'GET, DELETE'],
  ] as const) {
    const answer = await ask(`${url}${path}`, { method: 'PATCH' });
    assertProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.get('allow'), allow, path);
  }
  for (const path of ['/people.v1/Anna', '/people.v1//greeting', '/peopleXv1/Anna/greeting', '/openapiXjson']) {
    assertProblem(await ask(`${url}${path}`), 404, 'not_found');
  }
});

test('a method of a path is declared once', () => {
  const app: App = { routes: [] };
  noticeRoute(app);
  assert.throws(() => noticeRoute(app), /GET \/notices\/\{name\} is declared twice/);
});

test('of no routes none is at any path', () => {
  for (const path of ['', '/', '/tasks']) {
    assert.equal(isAtOneOf([])(path), false);
    assert.deepEqual(methodsAt([])(path), []);
  }
});
