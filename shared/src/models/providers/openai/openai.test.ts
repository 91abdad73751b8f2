/** What is OpenAI's own way, and that of servers like it. The rest is in faults.test.ts and providers.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CANARY,
  callOf,
  collect,
  openaiDialect as dialect,
  failureOf,
  startRaw,
  viaOpenai,
} from '../../../../../scripts/testing/dialects.ts';
import { TaskError } from '../../../errors.ts';
import { errorFields } from '../../../log.ts';

const { event, text, end } = dialect;

/** An upstream that gives every request the same stream. */
async function answering(t: Parameters<typeof startRaw>[0], body: string) {
  const { url } = await startRaw(t, (response) => {
    response.writeHead(200, { 'content-type': dialect.contentType }).end(body);
  });
  return dialect.provider(url).chat(callOf());
}

test('the status of a refusal is in the log', async (t) => {
  const { url } = await startRaw(t, (response) => void response.writeHead(429).end());
  const error = await failureOf(collect(dialect.provider(url).chat(callOf())));
  assert.match(String(errorFields(error).message), /HTTP 429/);
});

for (const [what, body, code] of [
  ['only [DONE]', event('[DONE]'), 'provider_busy'],
  ['an event named error', `event: error\n${event({ message: CANARY })}`, 'provider_busy'],
  ['an event named error that says 400', `event: error\n${event({ message: CANARY, code: 400 })}`, 'provider_refused'],
  ['a server error', text('a') + event({ error: { message: CANARY, code: 'server_error' } }), 'provider_busy'],
  ['a refusal by its type', event({ error: { type: 'invalid_request_error', message: CANARY } }), 'provider_refused'],
  ['an error of the older vLLM', event({ object: 'error', message: CANARY, code: 400 }), 'provider_refused'],
  ['filtered content', event({ choices: [{ delta: {}, finish_reason: 'content_filter' }] }), 'provider_refused'],
] as [string, string, string][]) {
  test(`a 200 with ${what} is ${code}, without the provider's words`, async (t) => {
    const error = await failureOf(collect(await answering(t, body)));
    assert.equal(error.code, code);
    assert.doesNotMatch(error.message + JSON.stringify(errorFields(error)), /canary/);
  });
}

test('chunks of a role, of nothing, of null and of reasoning alone are empty text', async (t) => {
  const deltas = [{ role: 'assistant' }, {}, { content: null }, { reasoning_content: 'hm' }, { content: 'a' }];
  const body = deltas.map((delta) => event({ choices: [{ index: 0, delta }] })).join('');
  const { all } = await collect(await answering(t, body + event({ choices: [] }) + end()));
  assert.deepEqual(
    all.map((chunk) => chunk.text),
    ['', '', '', '', 'a', '', ''],
  );
});

test('usage counts as input_tokens and output_tokens too, beside the finish, and the last one told is the usage', async (t) => {
  const usage = (count: number) => ({ input_tokens: 0, output_tokens: count });
  const finish = { choices: [{ index: 0, delta: {}, finish_reason: 'length' }], usage: usage(2) };
  const body = event({ choices: [{ delta: { content: 'a' } }], usage: usage(1) }) + event(finish) + event('[DONE]');
  const { all, usage: told } = await collect(await answering(t, body));
  assert.deepEqual(told, { inputTokens: 0, outputTokens: 2 });
  assert.equal(all.at(-1)?.finishReason, 'length');
});

test('a key that cannot be sent is found at once, and is not in the error', () => {
  assert.throws(
    () => viaOpenai({ name: 'openai', apiKey: 'canary\nkey' }),
    (error) => error instanceof TaskError && error.code === 'provider_not_configured' && !/canary/.test(error.message),
  );
});

const list = (...ids: unknown[]) => JSON.stringify({ object: 'list', data: ids.map((id) => ({ id })) });

for (const [what, status, body, model] of [
  ['its only one', 200, list('meta-llama/Llama-3.1-8B'), 'meta-llama/Llama-3.1-8B'],
  [
    'the first that is a chat model by its name',
    200,
    list('text-embedding-3-small', 'bge-m3', 'whisper-1', 'qwen3', 'z'),
    'qwen3',
  ],
  ['any, when it lists embedding models only', 200, list('nomic-embed-text'), 'default'],
  ['any, when its list is none', 200, '{"data":"canary"}', 'default'],
  ['any, when its list is no JSON', 200, '<html>', 'default'],
  ['any, when it lists nothing', 404, '{}', 'default'],
] as const) {
  test(`the model of a server that was told of without one is ${what}`, async (t) => {
    const { url, requests } = await startRaw(t, (response) => void response.writeHead(status).end(body));
    assert.equal(await dialect.provider(url).defaultModel(new AbortController().signal), model);
    assert.deepEqual(
      requests.map((request) => request.url),
      ['/v1/models'],
    );
  });
}

for (const [status, code] of [
  [401, 'provider_refused'],
  [500, 'provider_busy'],
] as const) {
  test(`a server that answers ${status} when asked for its models is ${code}`, async (t) => {
    const { url } = await startRaw(t, (response) => void response.writeHead(status).end(CANARY));
    const error = await failureOf(dialect.provider(url).defaultModel(new AbortController().signal));
    assert.equal(error.code, code);
  });
}

test('a model that was given is not asked for', async () => {
  const provider = viaOpenai({ name: 'openai', baseURL: 'http://127.0.0.1:1/v1', defaultModel: 'given' });
  assert.equal(await provider.defaultModel(new AbortController().signal), 'given');
});

test('calls at once of a model that does not take a parameter are all answered, and later ones are sent without', async (t) => {
  const said = JSON.stringify({ error: { message: 'Unknown parameter', param: 'stream_options' } });
  const { url, requests } = await startRaw(t, (response) => {
    if ('stream_options' in JSON.parse(requests.at(-1)?.body ?? '')) response.writeHead(400).end(said);
    else response.writeHead(200, { 'content-type': dialect.contentType }).end(text('a') + end());
  });
  const provider = dialect.provider(url);
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => collect(provider.chat(callOf()))));
  assert.deepEqual(
    answers.map((answer) => answer.text),
    ['a', 'a', 'a', 'a', 'a'],
  );
  const before = requests.length;
  assert.equal((await collect(provider.chat(callOf()))).text, 'a');
  assert.equal(requests.length, before + 1);
  await collect(provider.chat(callOf({ model: 'other' })));
  assert.equal(requests.length, before + 3, 'another model is asked for itself');
});
