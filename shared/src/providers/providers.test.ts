/** How providers treat a call: what they send, how they end it, and what an abort does. Faults of answers are in openai.test.ts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LLMock } from '@copilotkit/aimock';
import { TaskError } from '../errors.ts';
import type { ChatCall, ChatChunk } from '../provider.ts';
import { builtinProvider } from './builtin.ts';
import { openaiProvider } from './openai.ts';

const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const read = async (chunks: AsyncIterable<ChatChunk>) => {
  const all: ChatChunk[] = [];
  for await (const one of chunks) all.push(one);
  return all;
};
const cancelled = new TaskError('timed_out', 'the reason of this test');

/** An upstream whose answers the test writes by hand: `answered` is the response of its next request. */
async function setup(t: TestContext) {
  const sockets = new Set<Socket>();
  const responses: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    responses.push(response);
    server.emit('answering');
  });
  server.on('connection', (socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const provider = openaiProvider({ name: 'upstream', baseURL });
  const controller = new AbortController();
  const start = async () => {
    const call: ChatCall = { model: 'm', messages: [{ role: 'user', content: 'hello' }], signal: controller.signal };
    const chunks = provider.chat(call)[Symbol.asyncIterator]();
    const first = chunks.next();
    await once(server, 'answering');
    const response = responses.at(-1);
    assert(response);
    return { chunks, first, response, closed: once(response, 'close') };
  };
  return { sockets, controller, start };
}

test('a well-formed answer comes through whole, and the request carries exactly the settings that were given', async (t) => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' });
  mock.onMessage('What is beanline?', {
    content: 'A queue-first platform. 큐가 먼저입니다.',
    model: 'gpt-test',
    usage: { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 },
  });
  await mock.start();
  t.after(() => mock.stop());
  const provider = openaiProvider({ name: 'openai', baseURL: `${mock.url}/v1`, apiKey: 'k', defaultModel: 'gpt-test' });
  const image = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AA==' } };
  const call: ChatCall = {
    model: 'gpt-test',
    messages: [{ role: 'user', content: [image, { type: 'text', text: 'What is beanline?' }] }],
    temperature: 0,
    max_tokens: 50,
    top_p: undefined,
    signal: new AbortController().signal,
  };
  const chunks = await read(provider.chat(call));
  assert.equal(chunks.map((chunk) => chunk.text).join(''), 'A queue-first platform. 큐가 먼저입니다.');
  assert.deepEqual(chunks.find((chunk) => chunk.usage)?.usage, { inputTokens: 7, outputTokens: 9 });
  assert.equal(chunks.find((chunk) => chunk.finishReason)?.finishReason, 'stop');
  assert.equal(chunks[0]?.model, 'gpt-test');
  const sent = mock.getLastRequest()?.body as unknown as Record<string, unknown>;
  assert.deepEqual(sent.messages, call.messages);
  assert.deepEqual([sent.temperature, sent.max_tokens, sent.stream], [0, 50, true]);
  assert.deepEqual(sent.stream_options, { include_usage: true });
  assert.equal('top_p' in sent || 'presence_penalty' in sent || 'frequency_penalty' in sent, false);
});

test('a stall with comment keep-alives gives no chunk, and an abort closes the connection and throws its reason', async (t) => {
  const { controller, start } = await setup(t);
  const { chunks, first, response, closed } = await start();
  const keepAlive = () => new Promise((sent) => response.write(': keep-alive\n\n', sent));
  for (let at = 0; at < 20; at += 1) await keepAlive();
  response.write(chunk('a'));
  assert.equal((await first).value.text, 'a');
  const second = chunks.next();
  await keepAlive();
  const before = performance.now();
  controller.abort(cancelled);
  await assert.rejects(second, (error) => error === cancelled);
  await closed;
  assert(performance.now() - before < 500);
});

test('characters split between packets come through right, wherever the split is', async (t) => {
  const { start } = await setup(t);
  const words = '꿀벌 👩‍👧';
  const bytes = Buffer.from(chunk(words));
  for (let at = bytes.indexOf('꿀'); at <= bytes.indexOf('"}', 40); at += 1) {
    const { chunks, first, response } = await start();
    response.write(Buffer.concat([Buffer.from(chunk('first')), bytes.subarray(0, at)]));
    // The first chunk came with the first half of the second one, so the rest is another packet.
    assert.equal((await first).value.text, 'first');
    const second = chunks.next();
    response.end(bytes.subarray(at));
    assert.equal((await second).value.text, words);
    assert.equal((await chunks.next()).done, true);
  }
});

test('an abort before the first byte closes the connection and throws its reason', async (t) => {
  const { controller, start } = await setup(t);
  const { first, closed } = await start();
  controller.abort(cancelled);
  await assert.rejects(first, (error) => error === cancelled);
  await closed;
});

test('an abort between chunks that arrived together gives no more of them', async (t) => {
  const { controller, start } = await setup(t);
  const { chunks, first, response } = await start();
  response.end(chunk('a') + chunk('b'));
  assert.equal((await first).value.text, 'a');
  controller.abort(cancelled);
  await assert.rejects(chunks.next(), (error) => error === cancelled);
});

test('a reader that stops closes the connection', async (t) => {
  const { start } = await setup(t);
  const { chunks, first, response, closed } = await start();
  response.write(chunk('a'));
  await first;
  await chunks.return?.();
  await closed;
});

test('an answer is over at [DONE], even when the upstream does not close', async (t) => {
  const { start } = await setup(t);
  const { chunks, first, response, closed } = await start();
  response.write(`${chunk('a')}data: [DONE]\n\n`);
  await first;
  assert.equal((await chunks.next()).done, true);
  await closed;
});

test('calls that end well share one connection', async (t) => {
  const { sockets, start } = await setup(t);
  for (let call = 0; call < 3; call += 1) {
    // fetch marks a connection as free in the turn after its body ended.
    await setImmediate();
    const { chunks, first, response } = await start();
    response.write(`${chunk('a')}data: [DONE]\n\n`);
    await first;
    response.end();
    assert.equal((await chunks.next()).done, true);
  }
  assert.equal(sockets.size, 1);
});

test('an event that never ends is cut off', async (t) => {
  const { start } = await setup(t);
  const { first, response, closed } = await start();
  first.catch(() => {});
  const piece = 'x'.repeat(4 * 1024 * 1024);
  response.write('data: {"a":"');
  while (!response.destroyed && (response.write(piece) || (await Promise.race([once(response, 'drain'), closed]))));
  await assert.rejects(first, { code: 'output_too_large' });
});

test('a call of either provider that is aborted beforehand throws the reason', async () => {
  const unreachable = openaiProvider({ name: 'unreachable', baseURL: 'http://127.0.0.1:1/v1' });
  for (const provider of [unreachable, builtinProvider()]) {
    const call: ChatCall = { model: 'extract', messages: [], signal: AbortSignal.abort(cancelled) };
    await assert.rejects(read(provider.chat(call)), (error) => error === cancelled);
  }
});

test('a call prints nothing, whatever it meets and OPENAI_LOG says', async (t) => {
  const before = process.env.OPENAI_LOG;
  process.env.OPENAI_LOG = 'debug';
  const methods = (['debug', 'info', 'log', 'warn', 'error'] as const).map((name) => t.mock.method(console, name));
  const { start } = await setup(t);
  if (before === undefined) delete process.env.OPENAI_LOG;
  else process.env.OPENAI_LOG = before;
  const { first, response } = await start();
  response.end('data: {garbage\n\n');
  await assert.rejects(first, { code: 'provider_busy' });
  assert.deepEqual(
    methods.map((method) => method.mock.callCount()),
    [0, 0, 0, 0, 0],
  );
});

test('a key that cannot be sent is found at once, and is not in the error', () => {
  assert.throws(
    () => openaiProvider({ name: 'openai', apiKey: 'canary\nkey' }),
    (error) => error instanceof TaskError && error.code === 'provider_not_configured' && !/canary/.test(error.message),
  );
});
