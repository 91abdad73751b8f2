/** Drives every documented route of a live system, and holds each answer against what `/openapi.json` says of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, events, followToEnd } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { openApiSchema } from '../../../../scripts/testing/openapi-schema.ts';
import { UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';
import { type TestRedis, testRedis } from '../../../../scripts/testing/test-redis.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document and answers hold
type Json = any;

let redis: TestRedis;
let system: InProcess;
let document: Json;
let schema: ReturnType<typeof openApiSchema>;
/** `GET /tasks/{id} 200` for every answer that was checked. */
const seen = new Set<string>();
before(async () => {
  redis = await testRedis();
  system = await startInProcess({ redis });
  document = await (await fetch(`${system.url}/openapi.json`)).json();
  schema = openApiSchema(document);
});
after(async () => {
  await system.stop();
  await redis.stop();
});

type Request = {
  id?: string;
  approval?: string;
  session?: string;
  name?: string;
  query?: string;
  headers?: Record<string, string>;
  body?: unknown;
};

/** Asks, and checks the status, the headers and the body of the answer. */
async function drive(name: string, request: Request = {}): Promise<{ status: number; headers: Headers; json: Json }> {
  const { resolved, check, checkStream } = schema;
  const [method = '', path = ''] = name.split(' ');
  const operation = document.paths[path][method.toLowerCase()];
  const places = { id: '', approval: '', session: '', name: '', ...request };
  const filled = path.replace(/\{(\w+)\}/g, (_, place: keyof typeof places) => String(places[place]));
  const { body, headers = {} } = request;
  const response = await fetch(`${system.url}${filled}${request.query ?? ''}`, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const what = `${name} ${response.status}`;
  seen.add(what);
  const answer = resolved(operation.responses[response.status]);
  const text = await response.text();
  assert.ok(answer, `${what} is not documented: ${text}`);
  for (const [header, description] of Object.entries(answer.headers)) {
    const { required, schema: wanted } = resolved(description);
    const value = response.headers.get(header);
    if (required || value !== null) check(wanted, value, `${what} ${header}`);
  }
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
  if (answer.content === undefined) {
    assert.equal(text, '', what);
    return { status: response.status, headers: response.headers, json: null };
  }
  const media = answer.content[type];
  assert.ok(media, `${what}: ${type} is not documented`);
  const json = type.endsWith('json') ? JSON.parse(text) : null;
  if (json !== null) check(media.schema, json, what);
  else if (type === 'text/event-stream') checkStream(media.schema, text, what);
  return { status: response.status, headers: response.headers, json };
}

const LATER = { delay_ms: 600_000 };
const approval = { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 600_000 } };

test('submits', async () => {
  const ofSession = chat('x', { session_id: UNKNOWN_SESSION });
  for (const [name, body, more, nowhere] of [
    ['POST /api/chat', chat(), {}, ofSession],
    ['POST /api/chat/agentic', chat(), {}, ofSession],
    ['POST /api/chat/classify', { query: 'hello' }, {}, undefined],
    ['POST /tasks', { type: 'chat.request', input: chat() }, {}, { type: 'chat.request', input: ofSession }],
  ] as const) {
    if (nowhere) assert.equal((await drive(name, { body: nowhere })).status, 404);
    assert.equal((await drive(name, { body, headers: { Prefer: 'wait=0' } })).status, 202);
    assert.equal((await drive(name, { body: { ...body, ...more, ...LATER } })).json.status, 'scheduled');
    const waited = await drive(name, { body, headers: { Prefer: 'wait=30' } });
    assert.deepEqual([waited.status, waited.json.status], [200, 'completed']);
    assert.equal((await drive(name, { body, headers: { Accept: 'text/event-stream' } })).status, 200);
    const once = { 'Idempotency-Key': name.replace(' ', '') };
    assert.equal((await drive(name, { body, headers: once })).headers.get('idempotency-replayed'), null);
    assert.equal((await drive(name, { body, headers: once })).headers.get('idempotency-replayed'), 'true');
    assert.equal((await drive(name, { body: { ...body, ...LATER }, headers: once })).status, 422);
    assert.equal((await drive(name, { body: {} })).status, 400);
    assert.equal((await drive(name, { body: '{' })).status, 400);
    assert.equal((await drive(name, { body, headers: { 'Content-Type': 'text/plain' } })).status, 415);
    assert.equal((await drive(name, { body: `"${'x'.repeat(11_000_000)}"` })).status, 413);
  }
  assert.equal((await drive('POST /tasks', { body: { type: 'nothing', input: {} } })).json.code, 'unknown_type');
});

test('submits to a session that is busy', async () => {
  const { json } = await drive('POST /api/chat/sessions', { body: {} });
  const session_id = json.session.session_id as string;
  const turns = { type: 'test.turns', input: { session_id } };
  const { task_id: id } = (await drive('POST /tasks', { body: turns })).json;
  const body = chat('x', { session_id, on_busy: 'reject' });
  const { on_busy, ...input } = body as Json;
  for (const [name, given] of [
    ['POST /api/chat', body],
    ['POST /api/chat/agentic', body],
    ['POST /tasks', { type: 'chat.request', input, on_busy }],
  ] as const) {
    assert.equal((await drive(name, { body: given })).status, 409);
  }
  for await (const { type } of events(system.url, id)) if (type === 'started') break;
  const steered = await drive('POST /tasks', { body: { ...turns, on_busy: 'steer' } });
  assert.deepEqual([steered.status, steered.json.task_id], [202, id]);
  await followToEnd(system.url, id);
  await drive('DELETE /api/chat/sessions/{session}', { session: session_id });
});

test('tasks in every state, their events, cancel and retry', async () => {
  const submit = async (body: unknown) => (await drive('POST /tasks', { body })).json.task_id as string;
  const completed = await submit({ type: 'chat.request', input: chat(), metadata: { a: 'b' } });
  const failed = await submit({ type: 'test.bad-output', input: {} });
  const asking = await submit(approval);
  const scheduled = await submit({ type: 'chat.request', input: chat(), ...LATER });
  const running = await submit({ type: 'test.once', input: {} });
  for (const id of [completed, failed]) await followToEnd(system.url, id);
  for await (const { type } of events(system.url, asking)) if (type === 'human_approval') break;
  for await (const { type } of events(system.url, running)) if (type === 'progress') break;

  const statuses: Record<string, string> = {};
  for (const id of [completed, failed, asking, scheduled, running]) {
    const { json, headers } = await drive('GET /tasks/{id}', { id });
    statuses[json.status] = id;
    const tag = headers.get('etag') ?? '';
    assert.equal((await drive('GET /tasks/{id}', { id, headers: { 'If-None-Match': tag } })).status, 304);
  }
  assert.deepEqual(Object.keys(statuses), ['completed', 'failed', 'input_required', 'scheduled', 'in_progress']);

  assert.equal((await drive('POST /tasks/{id}/cancel', { id: completed })).status, 200);
  assert.equal((await drive('POST /tasks/{id}/retry', { id: asking })).status, 409);
  for (const id of [asking, scheduled, running]) {
    assert.equal((await drive('POST /tasks/{id}/cancel', { id })).status, 202);
    await followToEnd(system.url, id);
    assert.equal((await drive('GET /tasks/{id}', { id })).json.status, 'cancelled');
  }
  for (const id of [completed, failed, asking, scheduled, running]) {
    assert.equal((await drive('GET /tasks/{id}/events', { id })).status, 200);
    const last = { 'Last-Event-ID': '999-1' };
    assert.equal((await drive('GET /tasks/{id}/events', { id, headers: last })).status, 204);
  }
  const again = await drive('POST /tasks/{id}/retry', { id: failed });
  assert.equal(again.status, 202);
  assert.equal((await drive('GET /tasks/{id}', { id: again.json.task_id })).json.retry_of, failed);
  const waited = { id: completed, headers: { Prefer: 'wait=30' } };
  assert.equal((await drive('POST /tasks/{id}/retry', waited)).json.status, 'completed');
  const once = { 'Idempotency-Key': 'retry' };
  await drive('POST /tasks/{id}/retry', { id: completed, headers: once });
  assert.equal((await drive('POST /tasks/{id}/retry', { id: failed, headers: once })).status, 422);
  assert.equal(
    (await drive('POST /tasks/{id}/retry', { id: failed, headers: { 'Idempotency-Key': ' ' } })).status,
    400,
  );

  assert.equal((await drive('GET /tasks', { query: '?limit=2' })).json.tasks.length, 2);
  assert.equal((await drive('GET /tasks', { query: '?limit=200&status=failed' })).json.next_cursor, null);
  assert.equal((await drive('GET /tasks', { query: '?limit=0' })).status, 400);
  assert.equal((await drive('GET /tasks/{id}', { id: completed, query: '?wait=61' })).status, 400);
  assert.equal((await drive('GET /tasks/{id}/events', { id: completed, query: '?after=x' })).status, 400);
  for (const name of Object.keys(document.paths).filter((path) => path.includes('{id}'))) {
    for (const method of Object.keys(document.paths[name])) {
      assert.equal((await drive(`${method.toUpperCase()} ${name}`, { id: 'task_0' })).status, 404);
    }
  }
});

test('sessions, their messages and preferences', async () => {
  const at = '/api/chat/sessions';
  const body = { title: 't', model: 'm', feature_options: { a: { b: [1, null] } } };
  const { json, headers } = await drive(`POST ${at}`, { body });
  const session = json.session.session_id;
  assert.equal(headers.get('location'), `${at}/${session}`);
  const once = { 'Idempotency-Key': 'once' };
  const said = { role: 'user', content: 'hello', usage: { input_tokens: 1, output_tokens: 2 }, metadata: { a: 'b' } };
  const messages = `POST ${at}/{session}/messages`;
  const first = await drive(messages, { session, body: said, headers: once });
  assert.deepEqual([first.status, first.headers.get('idempotency-replayed')], [201, null]);
  const replay = await drive(messages, { session, body: said, headers: once });
  assert.deepEqual([replay.json, replay.headers.get('idempotency-replayed')], [first.json, 'true']);
  assert.equal((await drive(messages, { session, body: { ...said, content: 'x' }, headers: once })).status, 422);
  const parts = [
    { type: 'text', text: 'hello' },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
  ];
  assert.equal((await drive(messages, { session, body: { role: 'assistant', content: parts } })).status, 201);
  for (const _ of ['miss', 'hit']) {
    assert.equal((await drive(`GET ${at}/{session}`, { session })).json.session.messages.length, 2);
    assert.equal((await drive(`GET ${at}/{session}/messages`, { session, query: '?limit=1' })).json.count, 1);
    assert.equal((await drive(`GET ${at}/{session}/summary`, { session })).json.summary, null);
    assert.equal((await drive(`GET ${at}`)).json.total, 1);
    assert.equal((await drive(`GET ${at}`, { query: '?query=hello' })).json.search_type, 'keyword');
  }
  const rename = `PATCH ${at}/{session}/title`;
  assert.equal((await drive(rename, { session, body: { title: 'u' } })).status, 204);
  assert.equal((await drive(rename, { session, query: '?title=v' })).status, 204);

  const preferences = '/api/chat/preferences';
  assert.deepEqual((await drive(`GET ${preferences}`)).json, {});
  assert.equal((await drive(`PUT ${preferences}`, { body: { instructions: 'x', language: 'ko' } })).status, 200);
  assert.equal((await drive(`GET ${preferences}`)).json.language, 'ko');
  assert.equal((await drive(`DELETE ${preferences}`)).status, 204);

  for (const [name, good] of [
    [`POST ${at}`, {}],
    [messages, said],
    [rename, { title: 'x' }],
    [`PUT ${preferences}`, {}],
  ] as const) {
    assert.equal((await drive(name, { session, body: { x: 1 } })).status, 400);
    assert.equal((await drive(name, { session, body: good, headers: { 'Content-Type': 'text/plain' } })).status, 415);
    assert.equal((await drive(name, { session, body: `"${'x'.repeat(11_000_000)}"` })).status, 413);
  }
  assert.equal((await drive(`GET ${at}`, { query: '?limit=0' })).status, 400);
  assert.equal((await drive(`GET ${at}/{session}/messages`, { session, query: '?before=x' })).status, 400);

  const other = (await drive(`POST ${at}`, { body: {} })).json.session.session_id;
  for (const end of ['title', 'summary'].filter((last) => document.paths[`${at}/{session}/${last}`].post)) {
    const name = `POST ${at}/{session}/${end}`;
    const key = { 'Idempotency-Key': end };
    assert.equal((await drive(name, { session, headers: key })).status, 202);
    assert.equal((await drive(name, { session: other, headers: key })).status, 422);
    assert.equal((await drive(name, { session, headers: { Prefer: 'wait=30' } })).status, 200);
    assert.equal((await drive(name, { session, query: '?model=builtin/extract' })).status, 202);
    assert.equal((await drive(name, { session, body: { model: 'builtin/extract' } })).status, 202);
    assert.equal((await drive(name, { session, body: { model: '' } })).status, 400);
    assert.equal((await drive(name, { session, body: `"${'x'.repeat(11_000_000)}"` })).status, 413);
    assert.equal((await drive(name, { session, body: {}, headers: { 'Content-Type': 'text/plain' } })).status, 415);
    assert.equal((await drive(name, { session: 'none' })).status, 404);
  }

  const remove = `DELETE ${at}/{session}`;
  const foreign = chat('hello', { session_id: `sess_${'0'.repeat(25)}` });
  for (const [path, input] of [
    ['/api/chat', foreign],
    ['/tasks', { type: 'chat.request', input: foreign }],
  ] as const) {
    if (!document.paths[path].post.responses['404']) continue;
    assert.equal((await drive(`POST ${path}`, { body: input })).status, 404);
  }
  assert.equal((await drive(remove, { session })).status, 204);
  for (const [name, body] of [
    [`GET ${at}/{session}`],
    [`GET ${at}/{session}/messages`],
    [`GET ${at}/{session}/summary`],
    [messages, said],
    [rename, { title: 'x' }],
    [remove],
  ] as const) {
    assert.equal((await drive(name, { session, body })).status, 404);
  }
});

test('answers to approvals', async () => {
  const name = 'POST /tasks/{id}/approvals/{approval}';
  const asking = async () => {
    const parked = await drive('POST /tasks', { body: approval, headers: { Prefer: 'wait=30' } });
    const { task_id: id } = parked.json;
    return { id, approval: (await drive('GET /tasks/{id}', { id })).json.approval.approval_id as string };
  };
  const body = { action: 'run' };
  const one = await asking();
  assert.equal((await drive(name, { ...one, body: { action: 'dance' } })).status, 400);
  assert.equal((await drive(name, { ...one, body: `"${'x'.repeat(11_000_000)}"` })).status, 413);
  assert.equal((await drive(name, { ...one, body, headers: { 'Content-Type': 'text/plain' } })).status, 415);
  assert.equal((await drive(name, { ...one, body })).status, 202);
  assert.equal((await drive(name, { ...one, body })).status, 409);
  assert.equal((await drive(name, { id: 'none', approval: 'none', body })).status, 404);
  assert.equal((await drive(name, { ...(await asking()), body, headers: { Prefer: 'wait=30' } })).status, 200);
  assert.equal(
    (await drive(name, { ...(await asking()), body, headers: { Accept: 'text/event-stream' } })).status,
    200,
  );
  assert.ok((await drive('GET /tasks/{id}', one)).json.approvals[0].answered_at);
});

test('tools', async () => {
  assert.ok((await drive('GET /api/chat/tools')).json.length >= 16);
  assert.equal((await drive('GET /api/chat/tools/{name}', { name: 'chat' })).json.is_available, true);
  assert.equal((await drive('GET /api/chat/tools/{name}', { name: 'hammer' })).status, 404);
  assert.equal((await drive('GET /api/chat/intents')).status, 200);
});

test('messages to a task', async () => {
  const name = 'POST /tasks/{id}/messages';
  const running = { id: (await drive('POST /tasks', { body: { type: 'test.turns', input: {} } })).json.task_id };
  const body = { content: 'hello', mode: 'follow_up' };
  const once = { 'Idempotency-Key': 'once' };
  const first = await drive(name, { ...running, body, headers: once });
  assert.deepEqual([first.status, first.headers.get('idempotency-replayed')], [202, null]);
  const replay = await drive(name, { ...running, body, headers: once });
  assert.deepEqual([replay.json, replay.headers.get('idempotency-replayed')], [first.json, 'true']);
  assert.equal((await drive(name, { ...running, body: { content: 'other' }, headers: once })).status, 422);
  assert.equal((await drive(name, { ...running, body: {} })).status, 400);
  assert.equal((await drive(name, { ...running, body: `"${'x'.repeat(11_000_000)}"` })).status, 413);
  assert.equal((await drive(name, { ...running, body, headers: { 'Content-Type': 'text/plain' } })).status, 415);
  assert.equal((await drive('GET /tasks/{id}', running)).json.unread_messages, 1);
  const last = { content: [{ type: 'text', text: 'one' }] };
  assert.equal((await drive(name, { ...running, body: last })).status, 202);
  assert.equal((await drive(name, { ...running, body: { content: 'end' } })).status, 202);
  assert.equal((await followToEnd(system.url, running.id)).at(-1)?.data.status, 'completed');
  assert.equal((await drive('GET /tasks/{id}/events', running)).status, 200);
  assert.equal((await drive(name, { ...running, body })).status, 409);
});

test('the pages', async () => {
  for (const name of ['GET /openapi.json', 'GET /docs']) {
    const { headers } = await drive(name);
    const tag = { 'If-None-Match': headers.get('etag') ?? '' };
    assert.equal((await drive(name, { headers: tag })).status, 304);
  }
  assert.equal((await drive('GET /healthz')).status, 200);
  assert.equal((await drive('GET /readyz')).status, 200);
});

test('while Redis is away', async () => {
  redis.pause();
  try {
    while ((await drive('GET /readyz')).status !== 503);
    const body = chat();
    for (const [name, request] of [
      ['POST /api/chat', { body }],
      ['POST /api/chat/agentic', { body }],
      ['POST /api/chat/classify', { body: { query: 'hello' } }],
      ['POST /tasks', { body: { type: 'chat.request', input: body } }],
      ['GET /tasks', {}],
      ['GET /api/chat/tools', {}],
      ['GET /api/chat/tools/{name}', { name: 'chat' }],
      ['GET /tasks/{id}', { id: 'task_0' }],
      ['POST /tasks/{id}/approvals/{approval}', { id: 'task_0', approval: 'x', body: { action: 'run' } }],
      ['POST /tasks/{id}/messages', { id: 'task_0', body: { content: 'x' } }],
      ['GET /tasks/{id}/events', { id: 'task_0' }],
      ['POST /tasks/{id}/cancel', { id: 'task_0' }],
      ['POST /tasks/{id}/retry', { id: 'task_0' }],
    ] as const) {
      assert.equal((await drive(name, request)).status, 503);
    }
    // The store is there: these go on until nobody can say any more whether the API is open.
    for (const [path, methods] of Object.entries<Json>(document.paths)) {
      for (const [method, { tags, requestBody }] of Object.entries<Json>(methods)) {
        if (!['Sessions', 'Agents'].includes(tags[0]) && !path.includes('{session}')) continue;
        const example = requestBody?.content['application/json'].example;
        while ((await drive(`${method.toUpperCase()} ${path}`, { session: 'none', body: example })).status !== 503);
      }
    }
  } finally {
    redis.resume();
  }
});

test('no documented answer was left out but those that no request alone can bring about', () => {
  /** Of other processes' doing, of slow clients, of retention and of owners; each has tests of its own. */
  const elsewhere = new Set(['401', '403', '408', '410', '429', '500']);
  const missing = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Json).flatMap(([method, operation]) =>
      Object.keys((operation as Json).responses)
        .filter((status) => !elsewhere.has(status))
        .map((status) => `${method.toUpperCase()} ${path} ${status}`)
        .filter((what) => !seen.has(what)),
    ),
  );
  // A head that is too large: http.test.ts.
  assert.deepEqual(
    missing.filter((what) => !what.endsWith(' 400')),
    [],
  );
});
