import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { chat } from '../../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { bearer } from '../../../../../scripts/testing/owners.ts';
import { assertProblem } from '../../../../../scripts/testing/raw.ts';

const KEY = 'browser-key-0123456789';
const APP = 'https://app.example.com';
const OTHER = 'http://localhost:5173';

let open: InProcess;
let keyed: InProcess;
before(async () => {
  const env = { API_KEYS: `anna:${KEY}`, CORS_ORIGINS: `${APP}, ${OTHER}` };
  [open, keyed] = await Promise.all([
    startInProcess({ runners: 0, relays: 0 }),
    startInProcess({ runners: 1, relays: 0, env }),
  ]);
});
after(() => Promise.all([open.stop(), keyed.stop()]));

/** A request as a browser or a tool may send it; fetch would not let us choose these headers. */
function send(system: InProcess, method: string, path: string, headers: Record<string, string>, body?: unknown) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    headers: Headers;
    text: string;
    // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
    json: any;
  }>();
  const port = system.apis[0]?.port;
  const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const outgoing = request({ port, host: '127.0.0.1', method, path, headers: { ...type, ...headers } }, (incoming) => {
    let text = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('error', reject).on('end', () => {
      const flat = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as [string, string]);
      const json = text.startsWith('{') ? JSON.parse(text) : null;
      resolve({ status: incoming.statusCode ?? 0, headers: new Headers(flat), text, json });
    });
  });
  outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

describe('without keys a request is refused that comes', () => {
  const port = () => open.apis[0]?.port;
  const refused: Record<string, () => Record<string, string>> = {
    'under the name of another host': () => ({ Host: 'evil.example' }),
    'under such a name with our port': () => ({ Host: `evil.example:${port()}` }),
    'under a name that begins as ours': () => ({ Host: '127.0.0.1.evil.example' }),
    'under a name that ends as ours': () => ({ Host: 'evil.localhost' }),
    'under an address of the network': () => ({ Host: '192.168.1.7' }),
    'from a page of another site': () => ({ Origin: 'https://evil.example' }),
    'from a page of another port of this machine': () => ({ Origin: 'http://127.0.0.1:1' }),
    'from a page of this port under another name': () => ({
      Host: `localhost:${port()}`,
      Origin: `http://127.0.0.1:${port()}`,
    }),
    'from a sandbox or a file': () => ({ Origin: 'null' }),
    'from a page whose origin is our host without the port': () => ({ Origin: 'http://127.0.0.1' }),
    'cross-site, without an origin': () => ({ 'Sec-Fetch-Site': 'cross-site' }),
    'from another port, without an origin': () => ({ 'Sec-Fetch-Site': 'same-site' }),
  };
  for (const [name, headers] of Object.entries(refused)) {
    test(name, async () => {
      const keys = async () =>
        (await open.redis.cli('--scan', '--pattern', `${open.prefix}:*task*`)).split('\n').sort();
      const before = await keys();
      for (const [method, path, body] of [
        ['POST', '/api/chat', chat()],
        ['GET', '/tasks', undefined],
        ['GET', '/no/such/page', undefined],
        ['OPTIONS', '/api/chat', undefined],
      ] as const) {
        const answer = await send(open, method, path, headers(), body);
        assertProblem(answer, 403, 'forbidden');
        assert.deepEqual(
          [...answer.headers.keys()].filter((header) => header.startsWith('access-control')),
          [],
        );
      }
      assert.deepEqual(await keys(), before);
    });
  }
});

describe('without keys a request is answered that comes', () => {
  const port = () => open.apis[0]?.port;
  const taken: Record<string, () => Record<string, string>> = {
    'from a tool': () => ({}),
    'under the name localhost': () => ({ Host: `localhost:${port()}` }),
    'under that name in capitals': () => ({ Host: 'LOCALHOST' }),
    'under the loopback address of IPv6': () => ({ Host: `[::1]:${port()}` }),
    'under another loopback address': () => ({ Host: '127.0.0.53:80' }),
    'from our own page': () => ({ Origin: `http://127.0.0.1:${port()}`, 'Sec-Fetch-Site': 'same-origin' }),
    'from the address bar': () => ({ 'Sec-Fetch-Site': 'none' }),
  };
  for (const [name, headers] of Object.entries(taken)) {
    test(name, async () => {
      assert.equal((await send(open, 'POST', '/api/chat', headers(), chat())).status, 202);
      assert.equal((await send(open, 'GET', '/tasks', headers())).status, 200);
    });
  }
});

test('with keys a page of an allowed origin is told so in every answer, streams and refusals included', async () => {
  const headers = { ...bearer(KEY), Origin: APP };
  const submitted = await send(keyed, 'POST', '/api/chat', headers, chat());
  const id = submitted.json.task_id;
  const answers = [
    submitted,
    await send(keyed, 'GET', `/tasks/${id}`, headers),
    await send(keyed, 'GET', `/tasks/${id}/events`, headers),
    await send(keyed, 'POST', '/api/chat', { ...headers, Accept: 'text/event-stream' }, chat()),
    await send(keyed, 'POST', '/api/chat', headers, { messages: 7 }),
    await send(keyed, 'GET', '/no/such/page', headers),
    await send(keyed, 'GET', '/tasks', { Origin: APP }),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [202, 200, 200, 200, 400, 404, 401],
  );
  for (const { headers: given } of answers) {
    assert.equal(given.get('access-control-allow-origin'), APP);
    assert.equal(given.get('vary'), 'Origin');
    assert.equal(given.get('access-control-allow-credentials'), null);
    for (const name of [
      'Location',
      'X-Request-Id',
      'X-Task-Id',
      'Retry-After',
      'RateLimit',
      'ETag',
      'Idempotency-Replayed',
      'X-Cache',
    ]) {
      assert.ok(given.get('access-control-expose-headers')?.split(', ').includes(name), name);
    }
  }
});

test('a preflight of an allowed origin is answered, without a key, for the headers a client sends', async () => {
  const asks = { Origin: OTHER, 'Access-Control-Request-Method': 'POST' };
  const answer = await send(keyed, 'OPTIONS', '/api/chat', {
    ...asks,
    'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
  });
  assert.deepEqual([answer.status, answer.text], [204, '']);
  assert.equal(answer.headers.get('access-control-allow-origin'), OTHER);
  assert.equal(answer.headers.get('vary'), 'Origin');
  assert.ok(answer.headers.get('access-control-allow-methods')?.includes('POST'));
  const allowed = answer.headers.get('access-control-allow-headers')?.toLowerCase().split(', ');
  for (const name of ['authorization', 'content-type', 'idempotency-key', 'prefer', 'last-event-id', 'traceparent']) {
    assert.ok(allowed?.includes(name), name);
  }
});

test('a page of an allowed origin may change and delete what is its owner’s', async () => {
  const headers = { ...bearer(KEY), Origin: APP };
  const made = await send(keyed, 'POST', '/api/chat/sessions', headers, {});
  const path = `/api/chat/sessions/${made.json.session.session_id}`;
  for (const [method, place, body, status] of [
    ['PATCH', `${path}/title`, { title: 'x' }, 204],
    ['PUT', '/api/chat/preferences', {}, 200],
    ['DELETE', path, undefined, 204],
  ] as const) {
    const asks = { Origin: APP, 'Access-Control-Request-Method': method };
    const preflight = await send(keyed, 'OPTIONS', place, asks);
    assert.equal(preflight.status, 204);
    assert.ok(preflight.headers.get('access-control-allow-methods')?.split(', ').includes(method), method);
    const answer = await send(keyed, method, place, headers, body);
    assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [status, APP]);
  }
});

test('an origin that is not in the list, exactly, is told nothing', async () => {
  const others = [
    'https://evil.example',
    'https://app.example.com.evil.example',
    'http://app.example.com',
    'null',
    `${APP}:444`,
  ];
  for (const Origin of others) {
    const preflight = await send(keyed, 'OPTIONS', '/api/chat', { Origin, 'Access-Control-Request-Method': 'POST' });
    assert.equal(preflight.status, 401);
    const answer = await send(keyed, 'GET', '/tasks', { ...bearer(KEY), Origin });
    for (const { headers } of [preflight, answer]) {
      assert.equal(headers.get('access-control-allow-origin'), null);
      assert.equal(headers.get('vary'), 'Origin');
    }
  }
});

test('with keys any name of the host is answered', async () => {
  assert.equal((await send(keyed, 'GET', '/tasks', { ...bearer(KEY), Host: 'api.example.com' })).status, 200);
});
