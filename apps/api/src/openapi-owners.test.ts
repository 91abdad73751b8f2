/** Every documented route of a task, asked by somebody else: generated from the document, so that no new route is left out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bearer, keyring, ownerClient } from '../../../scripts/testing/owners.ts';
import { ask } from '../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../scripts/testing/system.ts';

const ANNA = 'anna-key-0123456789';
const BEN = 'ben-key-0123456789';

let system: System;
let anna: ReturnType<typeof ownerClient>;
before(async () => {
  system = await startSystem({ runners: 0, relays: 0, env: { API_KEYS: `anna:${ANNA},ben:${BEN}` } });
  anna = ownerClient(system.url, ANNA);
});
after(() => system.stop());

type Route = { method: string; path: string; hasBody: boolean };
type Answer = Awaited<ReturnType<typeof ask>>;

/** The routes whose path names a task. */
async function taskRoutes(): Promise<Route[]> {
  const { json } = await ask(`${system.url}/openapi.json`);
  return Object.entries(json.paths as Record<string, Record<string, { requestBody?: unknown }>>)
    .filter(([path]) => path.startsWith('/tasks/{id}'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        hasBody: requestBody !== undefined,
      })),
    );
}

/** What a stranger is answered for this id, in every way of asking. */
async function askAll(route: Route, id: string, headers: Record<string, string>): Promise<Answer[]> {
  const url = `${system.url}${route.path.replace('{id}', id)}`;
  const body = route.hasBody ? { body: '{}' } : {};
  const type: Record<string, string> = route.hasBody ? { 'Content-Type': 'application/json' } : {};
  const ways = [
    {},
    { Accept: 'text/event-stream' },
    { Prefer: 'wait=5' },
    { 'Idempotency-Key': 'k' },
    { 'If-None-Match': '"0-1"' },
    { 'Last-Event-ID': '0-1' },
  ];
  const queries = route.method === 'GET' ? ['', '?wait=5&after=0-1'] : [''];
  return Promise.all(
    queries.flatMap((query) =>
      ways.map((way) =>
        ask(`${url}${query}`, { method: route.method, headers: { ...type, ...headers, ...way }, ...body }),
      ),
    ),
  );
}

/** All of an answer but what names the request. */
const bytes = ({ status, headers, text, json }: Answer) =>
  JSON.stringify([
    status,
    text.replaceAll(json.request_id, ''),
    [...headers].filter(([name]) => !['x-request-id', 'date', 'ratelimit'].includes(name)),
  ]);

/** Nothing a stranger is answered tells whether the task exists. */
async function assertUnknown(id: string, headers: Record<string, string> = {}): Promise<void> {
  const unknown = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;
  const routes = await taskRoutes();
  assert.ok(routes.length >= 4, JSON.stringify(routes));
  for (const route of routes) {
    const foreign = await askAll(route, id, headers);
    const none = await askAll(route, unknown, headers);
    const name = `${route.method} ${route.path}`;
    for (const { status } of foreign) assert.ok(status === 404 || status === 401, `${name}: ${status}`);
    assert.deepEqual(foreign.map(bytes), none.map(bytes), name);
  }
}

test('on every documented route of a task another owner’s answers in the same bytes as one that does not exist', async () => {
  const id = await anna.submit('hers', { delay_ms: 600_000 });
  const before = (await anna.get(`/tasks/${id}`)).json;
  await assertUnknown(id, bearer(BEN));
  assert.deepEqual((await anna.get(`/tasks/${id}`)).json, before, 'and nothing was done to it');
});

test('without a valid key every documented route of a task answers 401 in the same bytes, whether the task exists or not', async () => {
  const id = await anna.submit('hers', { delay_ms: 600_000 });
  const keys = keyring(system.redis.url);
  const revoked = await keys.create('anna');
  const expired = await keys.create('anna', { expiresInMs: 1 });
  await keys.revoke(revoked.id);
  keys.close();
  for (const headers of [{}, bearer('bl_unknown'), bearer(revoked.token), bearer(expired.token)]) {
    await assertUnknown(id, headers);
    assert.equal((await ask(`${system.url}/tasks/${id}`, { headers })).status, 401);
  }
});
