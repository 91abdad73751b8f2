import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TaskError } from '../errors.ts';
import { errorFields } from '../log.ts';
import type { ChatChunk } from '../provider.ts';
import { openaiProvider } from './openai.ts';

const CANARY = 'canary-7f3a';
const KEY = 'sk-secret-key-of-the-test';
const EVENT_STREAM = { 'content-type': 'text/event-stream' };
const STOP = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };

const text = (content: string, more: object = {}) => ({ choices: [{ index: 0, delta: { content } }], ...more });
const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const stream = (...events: unknown[]) => events.map(event).join('');

type Answer = (response: ServerResponse) => void;

/** An upstream that answers with faults a well-behaved mock cannot make. */
async function setup(t: TestContext, answer: Answer) {
  const upstream = { requests: 0 };
  const server = createServer((request, response) => {
    upstream.requests += 1;
    request.resume().on('end', () => answer(response));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const provider = openaiProvider({ name: 'upstream', baseURL, apiKey: KEY });
  const signal = new AbortController().signal;
  const chat = () => provider.chat({ model: 'm', messages: [{ role: 'user', content: 'hello' }], signal });
  return { upstream, chat };
}

const answering =
  (body: string, status = 200, headers: Record<string, string> = EVENT_STREAM): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body);

async function collect(chunks: AsyncIterable<ChatChunk>) {
  const all: ChatChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return { all, text: all.map((chunk) => chunk.text).join(''), usage: all.findLast((chunk) => chunk.usage)?.usage };
}

async function failure(chunks: AsyncIterable<ChatChunk>): Promise<TaskError> {
  const error = await collect(chunks).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert(error instanceof TaskError, `expected a TaskError, got ${error}`);
  return error;
}

const errorBody = JSON.stringify({ error: { message: `${CANARY} ${KEY}`, type: CANARY } });
const httpDate = () => new Date(Date.now() + 20_000).toUTCString();
const longFromNow = 'Fri, 01 Jan 2100 00:00:00 GMT';

for (const [status, headers, code, retryAfterMs] of [
  [429, {}, 'provider_busy', undefined],
  [429, { 'retry-after': '7' }, 'provider_busy', 7_000],
  [429, { 'retry-after': '0' }, 'provider_busy', 0],
  [429, { 'retry-after-ms': '1500', 'retry-after': '7' }, 'provider_busy', 1_500],
  [503, { 'retry-after': longFromNow }, 'provider_busy', 3_600_000],
  [429, { 'retry-after': 'soon' }, 'provider_busy', undefined],
  [408, {}, 'provider_busy', undefined],
  [409, {}, 'provider_busy', undefined],
  [500, {}, 'provider_busy', undefined],
  [529, {}, 'provider_busy', undefined],
  [400, {}, 'provider_refused', undefined],
  [401, {}, 'provider_refused', undefined],
  [403, {}, 'provider_refused', undefined],
  [404, {}, 'provider_refused', undefined],
] as const) {
  const asked = Object.entries(headers).map(([name, value]) => ` with ${name} ${value}`);
  test(`HTTP ${status}${asked.join('')} is ${code} after one request, and its body and key reach neither client nor log`, async (t) => {
    const { upstream, chat } = await setup(t, answering(errorBody, status, headers));
    const error = await failure(chat());
    assert.deepEqual([error.code, error.retryAfterMs, upstream.requests], [code, retryAfterMs, 1]);
    assert.match(error.message, new RegExp(`upstream.*HTTP ${status}`));
    assert.doesNotMatch(error.message + JSON.stringify(errorFields(error)), /canary|secret/);
    assert.equal((error.cause as { status?: number }).status, status);
    if (status === 401 || status === 403) assert.match(error.message, /refused the API key/);
  });
}

test('a Retry-After date is the time until it', async (t) => {
  const { chat } = await setup(t, (response) => response.writeHead(503, { 'retry-after': httpDate() }).end());
  const wait = (await failure(chat())).retryAfterMs ?? 0;
  assert(wait > 15_000 && wait <= 20_000, String(wait));
});

test('an error whose body never ends is known at once', async (t) => {
  const { chat } = await setup(t, (response) => void response.writeHead(500).write('endless'));
  assert.equal((await failure(chat())).code, 'provider_busy');
});

test('a refused connection is provider_busy', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  const provider = openaiProvider({ name: 'upstream', baseURL: `http://127.0.0.1:${port}/v1` });
  const error = await failure(provider.chat({ model: 'm', messages: [], signal: new AbortController().signal }));
  assert.equal(error.code, 'provider_busy');
});

for (const [what, body, code, headers] of [
  ['garbage instead of events', '\u0000\u0001garbage\n\nmore\n', 'provider_busy'],
  ['an event that is not JSON', event(`{{${CANARY}`), 'provider_busy'],
  ['an event that is JSON but no object', event('42'), 'provider_busy'],
  [
    'a body cut inside an event',
    `${event(text('a'))}data: {"choices":[{"delta":{"content":"${CANARY}`,
    'provider_busy',
  ],
  ['no events at all', '', 'provider_busy'],
  ['only comments', ': keep-alive\n\n: keep-alive\n\n', 'provider_busy'],
  ['only [DONE]', event('[DONE]'), 'provider_busy'],
  ['a web page', `<html>${CANARY}</html>`, 'provider_busy', { 'content-type': 'text/html' }],
  ['a JSON error', errorBody, 'provider_busy', { 'content-type': 'application/json' }],
  ['a JSON error that says 400', '{"error":{"code":400}}', 'provider_refused', { 'content-type': 'application/json' }],
  ['an error event', stream(text('a'), { error: { message: CANARY, code: 'server_error' } }), 'provider_busy'],
  ['an error event that says 503', stream({ error: { message: CANARY, code: 503 } }), 'provider_busy'],
  ['an error event that says 404', stream({ error: { message: CANARY, code: '404' } }), 'provider_refused'],
  ['too long a context', stream({ error: { code: 'context_length_exceeded', message: CANARY } }), 'provider_refused'],
  ['an error of the older vLLM', stream({ object: 'error', message: CANARY, code: 400 }), 'provider_refused'],
  ['filtered content', stream({ choices: [{ delta: {}, finish_reason: 'content_filter' }] }), 'provider_refused'],
] as [string, string, string, Record<string, string>?][]) {
  test(`a 200 with ${what} is ${code}, without the provider's words`, async (t) => {
    const { chat } = await setup(t, answering(body, 200, headers));
    const error = await failure(chat());
    assert.equal(error.code, code);
    assert.doesNotMatch(error.message + JSON.stringify(errorFields(error)), /canary|secret/);
  });
}

test('a connection that breaks in the middle is provider_busy, and what came before it was given out', async (t) => {
  const { chat } = await setup(t, (response) => {
    response.writeHead(200, EVENT_STREAM).write(event(text('partial')), () => response.destroy());
  });
  const chunks = chat()[Symbol.asyncIterator]();
  assert.equal((await chunks.next()).value.text, 'partial');
  await assert.rejects(chunks.next(), { code: 'provider_busy' });
});

test('a stream that ends without finish_reason, [DONE] or a last blank line gives all its text and no finish', async (t) => {
  const { chat } = await setup(t, answering(stream(text('one '), text('two')).trimEnd()));
  const { all } = await collect(chat());
  assert.deepEqual(all, [{ text: 'one ' }, { text: 'two' }]);
});

test('every data event gives one chunk, duplicates and empty ones too, and comments and what follows [DONE] give none', async (t) => {
  const same = text('again ', { model: 'm-1' });
  const events = [same, ': comment', same, { choices: [] }, { choices: [{ delta: { content: null } }] }, STOP];
  const body = events.map((item) => (typeof item === 'string' ? `${item}\r\n\r\n` : event(item))).join('');
  const { chat } = await setup(t, answering(`${body}${stream('[DONE]', text('late'))}`));
  const { all } = await collect(chat());
  const again = { text: 'again ', model: 'm-1' };
  assert.deepEqual(all, [again, again, { text: '' }, { text: '' }, { text: '', finishReason: 'stop' }]);
});

for (const [names, usage] of [
  ['prompt_tokens and completion_tokens', { prompt_tokens: 0, completion_tokens: 0 }],
  ['input_tokens and output_tokens', { input_tokens: 0, output_tokens: 0 }],
] as const) {
  test(`usage of zero is a value, as ${names}`, async (t) => {
    const { chat } = await setup(t, answering(stream(text('a'), STOP, { choices: [], usage }, '[DONE]')));
    assert.deepEqual((await collect(chat())).usage, { inputTokens: 0, outputTokens: 0 });
  });
}

test('a single delta of 5 MB comes through whole', async (t) => {
  const large = '꿀'.repeat(1_000_000) + 'b'.repeat(2_000_000);
  const { chat } = await setup(t, answering(stream(text(large), STOP, '[DONE]')));
  assert.equal((await collect(chat())).text === large, true);
});
