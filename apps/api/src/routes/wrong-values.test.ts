/** Wrong values in every field and parameter of the document: each is refused in our words, and none is a fault of ours. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chat, post } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { openApiSchema } from '../../../../scripts/testing/openapi-schema.ts';
import { ask, assertProblem } from '../../../../scripts/testing/raw.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document and answers hold
type Json = any;

let system: InProcess;
let document: Json;
let session: string;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  document = (await ask(`${system.url}/openapi.json`)).json;
  session = (await post(system.url, '/api/chat/sessions', {})).json.session.session_id;
});
after(() => system.stop());

const WRONG = [
  null,
  true,
  0,
  -1,
  0.5,
  1e12,
  '',
  'x',
  '2026-01-01',
  'x'.repeat(5_000),
  [],
  [1],
  [[]],
  [{}],
  {},
  { a: 1 },
];

/** What a library would say of a value. */
const NOT_OURS = /invalid (input|option|string|key|value)|expected|received|too (big|small)|unrecognized|zod|nan\b/i;

function assertOurs({ status, text, json }: { status: number; text: string; json: Json }, what: string) {
  assert.ok(status < 500, `${what}: ${text}`);
  if (status !== 400) return;
  assert.ok(json.errors.length > 0, `${what}: ${text}`);
  for (const { path, message } of json.errors) {
    assert.doesNotMatch(message, NOT_OURS, `${what} at ${path}`);
    assert.ok(message.length > 5, `${what} at ${path}: ${message}`);
  }
  assert.doesNotMatch(json.detail, NOT_OURS, what);
}

/** The names of all fields that a schema of the document has, whatever shape is taken. */
function fieldsOf(schema: Json): string[] {
  const { properties = {}, oneOf = [], anyOf = [], allOf = [] } = openApiSchema(document).resolved(schema);
  return [...Object.keys(properties), ...[...oneOf, ...anyOf, ...allOf].flatMap(fieldsOf)];
}

const operations = () =>
  Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace('{session}', session).replace('{id}', `task_${'0'.repeat(25)}`),
      operation,
    })),
  );

test('every field of every body', async () => {
  let sent = 0;
  for (const { method, path, operation } of operations()) {
    if (!operation.requestBody) continue;
    const { schema, example, examples } = operation.requestBody.content['application/json'];
    const good = example ?? Object.values<Json>(examples ?? {})[0]?.value;
    const bodies: unknown[] = WRONG;
    const fields = [...new Set(fieldsOf(schema))].flatMap((name) => WRONG.map((value) => ({ ...good, [name]: value })));
    for (const body of [...bodies, ...fields]) {
      const init = { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
      assertOurs(await ask(`${system.url}${path}`, init), `${method} ${path} ${init.body.slice(0, 200)}`);
      sent++;
    }
  }
  assert.ok(sent > 500, `${sent} requests`);
});

test('every part of a message', async () => {
  for (const wrong of WRONG) {
    for (const message of [
      wrong,
      { role: wrong, content: 'x' },
      { role: 'user', content: wrong },
      { role: 'user', content: [wrong] },
      { role: 'user', content: [{ type: wrong }] },
      { role: 'user', content: [{ type: 'text', text: wrong }] },
      { role: 'user', content: [{ type: 'image_url', image_url: wrong }] },
      { role: 'user', content: [{ type: 'image_url', image_url: { url: wrong } }] },
    ]) {
      for (const [path, body] of [
        ['/api/chat', { messages: [message] }],
        [`/api/chat/sessions/${session}/messages`, message],
      ] as const) {
        assertOurs(await post(system.url, path, body), `${path} ${JSON.stringify(body).slice(0, 200)}`);
      }
    }
  }
});

test('every parameter of every query', async () => {
  let sent = 0;
  for (const { method, path, operation } of operations()) {
    for (const { name, in: place } of operation.parameters ?? []) {
      if (place !== 'query') continue;
      for (const value of [
        '',
        'x',
        '-1',
        '1e9',
        '0.5',
        '99999999999999999999',
        'null',
        '[]',
        '2026',
        '🙂',
        'x'.repeat(999),
      ]) {
        const answer = await ask(`${system.url}${path}?${name}=${encodeURIComponent(value)}`, { method });
        assertOurs(answer, `${method} ${path} ${name}=${value}`);
        sent++;
      }
    }
  }
  assert.ok(sent > 100, `${sent} requests`);
});

describe('what other servers take is refused with what to do instead:', () => {
  test('stream in the body', async () => {
    for (const stream of [true, false]) {
      for (const [path, body, bad] of [
        ['/api/chat', chat('x', { stream }), 'stream'],
        ['/tasks', { type: 'chat.request', input: chat(), stream }, 'stream'],
        ['/tasks', { type: 'chat.request', input: chat('x', { stream }) }, 'input.stream'],
      ] as const) {
        const answer = await post(system.url, path, body);
        assertProblem(answer, 400, 'invalid_request');
        assert.equal(answer.json.errors[0].path, bad);
        assert.match(answer.json.errors[0].message, /^unknown field: .*Accept: text\/event-stream/);
        assert.match(answer.json.detail, /Accept: text\/event-stream/);
      }
    }
  });

  test('a key in another header than Authorization', async () => {
    const { url } = await system.startApi({ API_KEYS: 'anna:anna-key-0123456789' });
    for (const headers of [
      {},
      { 'X-API-Key': 'anna-key-0123456789' },
      { 'api-key': 'anna-key-0123456789' },
      { Authorization: 'anna-key-0123456789' },
      { Authorization: 'Basic anna-key-0123456789' },
    ]) {
      const answer = await ask(`${url}/tasks`, { headers: headers as Record<string, string> });
      assertProblem(answer, 401, 'unauthorized');
      assert.match(answer.json.detail, /"Authorization: Bearer <key>".*X-API-Key/);
    }
  });

  test('an encoded body', async () => {
    const body = new Blob([JSON.stringify(chat())]).stream().pipeThrough(new CompressionStream('gzip'));
    const bytes = Buffer.from(await new Response(body).arrayBuffer());
    for (const encoding of ['gzip', 'GZIP', 'br', 'gzip, identity']) {
      const headers = { 'Content-Type': 'application/json', 'Content-Encoding': encoding };
      const answer = await ask(`${system.url}/api/chat`, { method: 'POST', headers, body: bytes });
      assertProblem(answer, 415, 'unsupported_media_type');
      assert.match(answer.json.detail, /Content-Encoding/);
    }
    const plain = { 'Content-Encoding': 'identity' };
    assert.equal((await post(system.url, '/api/chat', chat(), plain)).status, 202);
  });
});

test('a time may leave out its seconds, wherever a time is taken', async () => {
  const later = `${new Date(Date.now() + 86_400_000).toISOString().slice(0, 16)}Z`;
  const accepted = await post(system.url, '/api/chat', chat('x', { run_at: later }));
  assert.deepEqual([accepted.status, accepted.json.status], [202, 'scheduled']);
  assert.equal((await post(system.url, '/api/chat', chat('x', { start_by: later }))).status, 202);
  const { json } = await ask(`${system.url}/tasks/${accepted.json.task_id}`);
  assert.equal(json.run_at, later.replace('Z', ':00.000Z'));
  const east = '2026-01-01T02:00%2B02:00';
  for (const query of [`created_after=${east}`, `created_before=${east}`]) {
    assert.equal((await ask(`${system.url}/tasks?${query}`)).status, 200, query);
  }
  for (const query of [`date_from=${east}`, 'date_to=2026-01-01T00:00Z', 'date_to=2026-01-01']) {
    assert.equal((await ask(`${system.url}/api/chat/sessions?${query}`)).status, 200, query);
  }
  for (const bad of ['2026-01-01T00Z', '2026-01-01T00:00', '2026-02-30T00:00Z', '2026-01-01T24:00Z']) {
    assertProblem(await ask(`${system.url}/tasks?created_after=${bad}`), 400, 'invalid_request');
    assertProblem(await post(system.url, '/api/chat', chat('x', { run_at: bad })), 400, 'invalid_request');
  }
});

test('a number of free JSON comes back as it was given, or is refused by its path', async () => {
  const create = (options: string) => post(system.url, '/api/chat/sessions', `{"feature_options":${options}}`);
  const { json } = await create('{"a":9007199254740991,"b":[0.1,1e22,-5]}');
  assert.deepEqual(json.session.feature_options, { a: 9007199254740991, b: [0.1, 1e22, -5] });
  for (const number of ['9007199254740993', '-0', '1e400', '1e-400', '0.12345678901234567890']) {
    const answer = await create(`{"a":{"b":[1,${number}]}}`);
    assertProblem(answer, 400, 'invalid_request');
    assert.equal(answer.json.errors[0].path, 'feature_options.a.b[1]');
  }
});

test('what a hundred times as many bad fields cost is not a hundred times as much, and the answer is as large', async (t) => {
  const bodyOf = (count: number, place: (fields: string) => string) =>
    place(Array.from({ length: count }, (_, i) => `"${i.toString(36)}":"1"`).join(','));
  const message = '"messages":[{"role":"user","content":"x"}]';
  for (const place of [
    (fields: string) => `{${message},${fields}}`,
    (fields: string) => `{${message},"metadata":{${fields}}}`,
  ]) {
    const [few, many] = [bodyOf(1_000, place), bodyOf(99_000, place)];
    const timed = async (body: string) => {
      const startedAt = process.cpuUsage();
      const answer = await post(system.url, '/api/chat', body);
      const { user } = process.cpuUsage(startedAt);
      assertProblem(answer, 400, 'invalid_request');
      assert.ok(answer.json.errors.length <= 100);
      return user;
    };
    // In one process and in turns, so that the ratio is that of the work, whatever the machine does.
    const costs = { few: 0, many: 0 };
    for (let round = 0; round < 12; round++) {
      const [a, b] = [await timed(few), await timed(many)];
      // Compiled by then.
      if (round > 2) [costs.few, costs.many] = [costs.few + a, costs.many + b];
    }
    t.diagnostic(JSON.stringify(costs));
    assert.ok(costs.many < 20 * costs.few, JSON.stringify(costs));
  }
});
