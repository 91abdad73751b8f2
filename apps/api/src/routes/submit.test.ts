import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths, longPast } from '../../../../scripts/testing/raw.ts';
import { slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream();
  system = await startInProcess({ env: upstream.env });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test('an accepted submit is answered 202 with the task id, type, status, time and urls, and its place', async () => {
  const sentAt = Date.now();
  const { status, headers, json } = await post(system.url, '/api/chat', chat());
  const answeredAt = Date.now();
  assert.equal(status, 202);
  assert.match(json.task_id, /^task_[0-9a-z]{25}$/);
  const self = `/tasks/${json.task_id}`;
  assert.deepEqual(json, {
    task_id: json.task_id,
    type: 'chat.request',
    status: 'queued',
    created_at: json.created_at,
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  });
  assert.match(json.created_at, ISO);
  const createdAt = Date.parse(json.created_at);
  assert.ok(createdAt > sentAt - 1_000 && createdAt < answeredAt + 1_000, json.created_at);
  assert.equal(headers.get('location'), self);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.match(headers.get('x-request-id') ?? '', /^req_/);
  assert.equal((await getTask(system.url, json.task_id)).json.created_at, json.created_at);
});

test('ids of tasks sort by their creation', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) {
    const { json } = await post(system.url, '/api/chat', chat(), {});
    ids.push(json.task_id);
    await longPast(Date.parse(json.created_at));
  }
  assert.deepEqual([...ids].sort(), ids);
});

test('a sane X-Request-Id is echoed and kept on the record; any other is replaced', async () => {
  const { headers, json } = await post(system.url, '/api/chat', chat(), { 'X-Request-Id': 'Client-7:a.b_c' });
  assert.equal(headers.get('x-request-id'), 'Client-7:a.b_c');
  assert.equal(
    await system.redis.cli('HGET', `${system.prefix}:{0}:task:${json.task_id}`, 'request_id'),
    'Client-7:a.b_c',
  );
  for (const insane of ['a b', 'x'.repeat(129), '<script>', '{"a":1}', 'a\tb', '\u00e9']) {
    const answer = await post(system.url, '/api/chat', chat(), { 'X-Request-Id': insane });
    assert.equal(answer.status, 202);
    assert.match(answer.headers.get('x-request-id') ?? '', /^req_/, insane);
  }
  const refused = await post(system.url, '/api/chat', {}, { 'X-Request-Id': 'mine' });
  assert.equal(refused.json.request_id, 'mine');
});

test('a task whose start lies ahead is scheduled; one whose start is now or past is queued', async () => {
  const inAMinute = new Date(Date.now() + 60_000).toISOString();
  const aMinuteAgo = new Date(Date.now() - 60_000).toISOString();
  for (const [options, expected] of [
    [{ delay_ms: 60_000 }, 'scheduled'],
    [{ run_at: inAMinute }, 'scheduled'],
    [{ run_at: inAMinute.replace('Z', '+00:00') }, 'scheduled'],
    [{ delay_ms: 0 }, 'queued'],
    [{ run_at: aMinuteAgo }, 'queued'],
    [{}, 'queued'],
  ] as const) {
    const { status, json } = await post(system.url, '/api/chat', chat('x', options));
    assert.equal(status, 202);
    assert.equal(json.status, expected, JSON.stringify(options));
  }
});

test('every option of a submit stands on the task', async () => {
  const run_at = new Date(Date.now() + 3_600_000).toISOString();
  const start_by = new Date(Date.now() + 7_200_000).toISOString();
  const metadata = { user: 'kim', 한글: '값' };
  const options = { priority: 'high', run_at, start_by, timeout_ms: 1_234, max_attempts: 7, metadata };
  const id = await submit(system.url, chat('x', options));
  const { json } = await getTask(system.url, id);
  assert.equal(json.priority, 600);
  assert.equal(json.run_at, run_at);
  assert.equal(json.max_attempts, 7);
  assert.deepEqual(json.metadata, metadata);
  const [timeout, startBy] = (
    await system.redis.cli('HMGET', `${system.prefix}:{0}:task:${id}`, 'timeout_ms', 'start_by')
  ).split('\n');
  assert.equal(timeout, '1234');
  assert.equal(Number(startBy), Date.parse(start_by));
});

test('POST /tasks takes {type, input, …options} of every job type', async () => {
  const answer = await post(system.url, '/tasks', {
    type: 'chat.request',
    input: chat('by type'),
    priority: 'low',
    metadata: { a: 'b' },
  });
  assert.equal(answer.status, 202);
  assert.equal(answer.json.type, 'chat.request');
  await followToEnd(system.url, answer.json.task_id);
  const { json } = await getTask(system.url, answer.json.task_id);
  assert.equal(json.status, 'completed');
  assert.equal(json.priority, -600);
  assert.deepEqual(json.metadata, { a: 'b' });

  const approval = await post(system.url, '/tasks', { type: 'test.approval', input: { questions: ['a'] } });
  assert.equal(approval.json.type, 'test.approval');
});

test('a job type that does not exist is refused as unknown_type, whatever its name', async () => {
  for (const type of ['chat.reqest', '', 'constructor', '__proto__', 'toString', 'x'.repeat(1_000)]) {
    const answer = await post(system.url, '/tasks', { type, input: {} });
    assertProblem(answer, 400, 'unknown_type');
    assert.deepEqual(badPaths(answer), ['type']);
  }
});

test('POST /tasks without type and input names both; their shape is checked under input', async () => {
  const missing = await post(system.url, '/tasks', {});
  assertProblem(missing, 400, 'invalid_request');
  assert.deepEqual(badPaths(missing), ['type', 'input']);
  for (const input of ['text', 1, [], null]) {
    const answer = await post(system.url, '/tasks', { type: 'chat.request', input });
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), ['input']);
  }
  const nested = await post(system.url, '/tasks', {
    type: 'chat.request',
    input: { messages: [{ role: 'robot', content: 'x' }], priority: 'high' },
    surprise: 1,
  });
  assert.deepEqual(badPaths(nested).sort(), ['input.messages[0].role', 'input.priority', 'surprise']);
});

test('a media type of JSON is accepted with parameters and in any case', async () => {
  for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.beanline+json']) {
    const { status } = await post(system.url, '/api/chat', chat(), { 'Content-Type': type });
    assert.equal(status, 202, type);
  }
});

test('Korean, emoji, newlines, quotes and control characters survive to the model and back byte for byte', async () => {
  const text = `한국어 조합형 \u1112\u1161\u11ab 👩‍👩‍👧‍👦 "quoted" 'single' \\ back\r\nline\n\ttab \u0000\u001f\u2028\u2029 </script> data: x\n\n: y \ufeff \ud83d`;
  const whole = text.toWellFormed();
  let heard: unknown;
  upstream.answer = (call) => {
    heard = call.body.messages[0]?.content;
    call.text(whole);
    call.finish();
  };
  // JSON.stringify writes the lone surrogate as an escape; UTF-8 cannot carry it, so it arrives as U+FFFD.
  const id = await submit(system.url, chat(text, { metadata: { note: whole } }));
  const seen = await followToEnd(system.url, id);
  assert.equal(typeof heard === 'string' ? heard.toWellFormed() : heard, whole);
  assert.equal(seen.find(({ type }) => type === 'text')?.data.content, whole);
  assert.equal(seen.at(-1)?.data.output.content, whole);
  const { json } = await getTask(system.url, id);
  assert.equal(json.output.content, whole);
  assert.deepEqual(json.metadata, { note: whole });
  upstream.answer = slowWords(20, 0);
});
