/** Every documented route of a task and of a session, asked by somebody else: generated from the document, so that no new route is left out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { bearer, keyring, ownerClient } from '../../../../scripts/testing/owners.ts';
import { ask } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient } from '../../../../scripts/testing/session-client.ts';

const ANNA = 'anna-key-0123456789';
const BEN = 'ben-key-0123456789';

let system: InProcess;
let anna: ReturnType<typeof ownerClient>;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0, env: { API_KEYS: `anna:${ANNA},ben:${BEN}` } });
  anna = ownerClient(system.url, ANNA);
});
after(() => system.stop());

type Route = { method: string; path: string; query: string; body: string | undefined };
type Answer = Awaited<ReturnType<typeof ask>>;
// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document holds
type Json = any;

/** How paths name what is an owner's. */
const PLACES = { task: '/tasks/{id}', session: `${SESSIONS}/{session}` };
type Place = keyof typeof PLACES;

/** What is asked by parameters, of routes that take them. */
const ASKED: Record<string, string> = { wait: '5', after: '0-1', include: 'input', limit: '1', model: 'm' };

/** A query of the parameters that an operation takes. */
function queryOf({ parameters }: Json): string {
  const names: string[] = parameters.flatMap((one: Json) =>
    one.in === 'query' && one.name in ASKED ? [one.name] : [],
  );
  return names.map((name, index) => `${index ? '&' : '?'}${name}=${ASKED[name]}`).join('');
}

/** The routes whose path names one, each with the example of its body. */
async function routesOf(place: Place): Promise<Route[]> {
  const { json } = await ask(`${system.url}/openapi.json`);
  return Object.entries<Json>(json.paths)
    .filter(([path]) => path.startsWith(PLACES[place]))
    .flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        query: queryOf(operation),
        body: operation.requestBody && JSON.stringify(operation.requestBody.content['application/json'].example),
      })),
    );
}

/** What a stranger is answered for this id, in every way of asking. */
async function askAll(route: Route, id: string, headers: Record<string, string>): Promise<Answer[]> {
  const url = `${system.url}${route.path.replace(/\{\w+\}/, id)}`;
  const body = route.body === undefined ? {} : { body: route.body };
  const type: Record<string, string> = route.body === undefined ? {} : { 'Content-Type': 'application/json' };
  const ways = [
    {},
    { Accept: 'text/event-stream' },
    { Prefer: 'wait=5' },
    { 'Idempotency-Key': 'k' },
    { 'If-None-Match': '"0-1"' },
    { 'Last-Event-ID': '0-1' },
  ];
  const queries = route.query === '' ? [''] : ['', route.query];
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

/** Nothing a stranger is answered tells whether it exists. */
async function assertUnknown(place: Place, id: string, headers: Record<string, string> = {}): Promise<void> {
  const unknown = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;
  const routes = await routesOf(place);
  assert.ok(routes.length >= 4, JSON.stringify(routes));
  for (const route of routes) {
    const foreign = await askAll(route, id, headers);
    const none = await askAll(route, unknown, headers);
    const name = `${route.method} ${route.path}`;
    for (const { status } of foreign) assert.ok(status === 404 || status === 401, `${name}: ${status}`);
    assert.deepEqual(foreign.map(bytes), none.map(bytes), name);
  }
}

/** One of Anna's, and how she sees it. */
const made: Record<Place, () => Promise<{ id: string; see: () => Promise<string> }>> = {
  async task() {
    const id = await anna.submit('hers', { delay_ms: 600_000 });
    return { id, see: async () => JSON.stringify((await anna.get(`/tasks/${id}`)).json) };
  },
  async session() {
    const client = sessionClient(system.url, bearer(ANNA));
    const id = await client.create({ title: 'hers' });
    await client.say(id, 'hers');
    return { id, see: async () => (await client.get(`/${id}`)).text };
  },
};

for (const place of ['task', 'session'] as const) {
  test(`on every documented route of a ${place} another owner’s answers in the same bytes as one that does not exist`, async () => {
    const { id, see } = await made[place]();
    const before = await see();
    await assertUnknown(place, id, bearer(BEN));
    assert.equal(await see(), before, 'and nothing was done to it');
  });

  test(`without a valid key every documented route of a ${place} answers 401 in the same bytes, whether it exists or not`, async () => {
    const { id, see } = await made[place]();
    const before = await see();
    const keys = keyring(system.redis.url, system.prefix);
    const revoked = await keys.create('anna');
    const expired = await keys.create('anna', { expiresInMs: 1 });
    await keys.revoke(revoked.id);
    keys.close();
    for (const headers of [{}, bearer('bl_unknown'), bearer(revoked.token), bearer(expired.token)]) {
      await assertUnknown(place, id, headers);
      const path = PLACES[place].replace(/\{\w+\}/, id);
      assert.equal((await ask(`${system.url}${path}`, { headers })).status, 401);
    }
    assert.equal(await see(), before);
  });
}
