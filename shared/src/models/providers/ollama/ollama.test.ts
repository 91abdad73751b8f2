/** What is Ollama's own way. The rest is in faults.test.ts and providers.test.ts; a real one answers in live.test.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  CANARY,
  callOf,
  collect,
  ollamaDialect as dialect,
  failureOf,
  KEY,
  startRaw,
  viaOllama,
} from '../../../../../scripts/testing/dialects.ts';

const { event, text, end } = dialect;
const signal = new AbortController().signal;
const image = (url: string) => ({ type: 'image_url' as const, image_url: { url } });
const said = (words: string) => ({ type: 'text' as const, text: words });

async function answering(t: TestContext, body: string, status = 200, headers: Record<string, string> = {}) {
  const server = await startRaw(t, (response) => {
    response.writeHead(status, { 'content-type': dialect.contentType, ...headers }).end(body);
  });
  return { ...server, provider: dialect.provider(server.url) };
}

test('the request carries exactly what was given: settings, texts, and images as base64', async (t) => {
  const { provider, requests } = await answering(t, text('a') + end());
  const content = [
    said('what is'),
    image('data:image/png;base64,AA=='),
    said('this?'),
    image('data:image/jpeg;base64,BB=='),
  ];
  const messages = [
    { role: 'system' as const, content: '짧게' },
    { role: 'user' as const, content },
  ];
  const settings = { temperature: 0, max_tokens: 7, top_p: 0.5, frequency_penalty: -1, presence_penalty: 1 };
  await collect(provider.chat(callOf({ model: 'hf.co/some/model:Q4', messages, ...settings })));
  const [request] = requests;
  assert.deepEqual(JSON.parse(request?.body ?? ''), {
    model: 'hf.co/some/model:Q4',
    messages: [
      { role: 'system', content: '짧게' },
      { role: 'user', content: 'what is\nthis?', images: ['AA==', 'BB=='] },
    ],
    stream: true,
    options: { temperature: 0, num_predict: 7, top_p: 0.5, frequency_penalty: -1, presence_penalty: 1 },
  });
  assert.equal(request?.url, '/api/chat');
  assert.equal(request?.headers.authorization, `Bearer ${KEY}`);
});

test('settings that were not given are left to the model', async (t) => {
  const { provider, requests } = await answering(t, end());
  await collect(provider.chat(callOf({ top_p: undefined })));
  assert.deepEqual(JSON.parse(requests[0]?.body ?? '').options, {});
});

test('a link to an image is refused by name, and nothing is fetched or sent', async (t) => {
  const { url, provider, requests } = await answering(t, end());
  const messages = [{ role: 'user' as const, content: [said('look'), image(`${url}/${CANARY}.png`)] }];
  const error = await failureOf(collect(provider.chat(callOf({ messages }))));
  assert.equal(error.code, 'provider_refused');
  assert.match(error.message, /no links to images.*base64/);
  assert.equal(requests.length, 0);
});

test('an image whose text is the path of a file is sent as that text, never as the file', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-image-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'secret');
  writeFileSync(path, CANARY);
  const { provider, requests } = await answering(t, end());
  const messages = [{ role: 'user' as const, content: [image(`data:image/png;base64,${path}`)] }];
  await collect(provider.chat(callOf({ messages })));
  assert.deepEqual(JSON.parse(requests[0]?.body ?? '').messages[0].images, [path]);
});

test('a missing model is refused with the command that gets it', async (t) => {
  const body = JSON.stringify({ error: `model '${CANARY}' not found` });
  const { provider } = await answering(t, body, 404, { 'content-type': 'application/json; charset=utf-8' });
  const error = await failureOf(collect(provider.chat(callOf({ model: 'llama3.2:1b' }))));
  assert.equal(error.code, 'provider_refused');
  assert.match(error.message, /"llama3\.2:1b".*: ollama pull llama3\.2:1b$/);
  const odd = await failureOf(collect(provider.chat(callOf({ model: 'a; rm -rf b' }))));
  assert.doesNotMatch(odd.message, /ollama pull/, 'no command that does something else');
});

test('a 404 of something that is not Ollama names no command', async (t) => {
  const { provider } = await answering(t, '404 page not found', 404, { 'content-type': 'text/plain' });
  const error = await failureOf(collect(provider.chat(callOf())));
  assert.equal(error.code, 'provider_refused');
  assert.match(error.message, /does not know this model or address/);
});

test('an answer ends as Ollama says it did, with its counts', async (t) => {
  const done = { done: true, message: { content: '' }, prompt_eval_count: 7, eval_count: 0, model: 'm-1' };
  for (const [more, finishReason] of [
    [{ done_reason: 'length' }, 'length'],
    [{ done_reason: 'stop' }, 'stop'],
    [{}, 'stop'],
  ] as const) {
    const { provider } = await answering(t, text('a') + event({ ...done, ...more }));
    const { all } = await collect(provider.chat(callOf()));
    const usage = { inputTokens: 7, outputTokens: 0 };
    assert.deepEqual(all.at(-1), { text: '', model: 'm-1', finishReason, usage });
  }
});

test('thinking is data without text', async (t) => {
  const thinking = event({ message: { role: 'assistant', content: '', thinking: 'hm' }, done: false });
  const { provider } = await answering(t, thinking + text('a') + end());
  const { all } = await collect(provider.chat(callOf()));
  assert.deepEqual(
    all.map((chunk) => chunk.text),
    ['', 'a', ''],
  );
});

test('nobody there is said with the hint of where it was looked for', async () => {
  const provider = viaOllama({ name: 'ollama', url: 'http://127.0.0.1:1', hint: 'Is it running?' });
  for (const call of [collect(provider.chat(callOf())), provider.defaultModel(signal)]) {
    const error = await failureOf(call);
    assert.deepEqual([error.code, error.retry], ['provider_busy', true]);
    assert.match(error.message, /not reachable.* Is it running\?$/);
  }
});

/** An Ollama with these models, newest first; each is what `show` tells of it. */
async function withModels(t: TestContext, models: Record<string, object>, tags: Record<string, object> = {}) {
  const { url, requests } = await startRaw(t, (response) => {
    const { url: path, body } = requests.at(-1) ?? { url: '', body: '' };
    const list = Object.keys(models).map((name) => ({ name, model: name, ...tags[name] }));
    const answer = path === '/api/tags' ? { models: list } : models[JSON.parse(body).model];
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  return { provider: dialect.provider(url), requests };
}
const CHAT = { capabilities: ['completion', 'tools'] };
const EMBEDDING = { capabilities: ['embedding'] };

for (const [what, models, tags, model] of [
  ['the latest that can chat', { 'minilm:latest': EMBEDDING, 'b:latest': CHAT, 'a:latest': CHAT }, {}, 'b:latest'],
  [
    'none that another machine serves',
    { cloud: CHAT, here: CHAT },
    { cloud: { remote_host: 'https://o.com' } },
    'here',
  ],
  [
    'by its family when the server does not tell what it can',
    { a: { details: { family: 'nomic-bert' } }, b: { details: { family: 'llama' } } },
    {},
    'b',
  ],
] as [string, Record<string, object>, Record<string, object>, string][]) {
  test(`the model of calls that name none is ${what}`, async (t) => {
    const { provider } = await withModels(t, models, tags);
    assert.equal(await provider.defaultModel(signal), model);
  });
}

test('an Ollama without a model that can chat says what to do', async (t) => {
  const { provider } = await withModels(t, { minilm: EMBEDDING });
  const error = await failureOf(provider.defaultModel(signal));
  assert.equal(error.code, 'provider_not_configured');
  assert.match(error.message, /ollama pull /);
});

test('what is not Ollama at its address is no provider of models', async (t) => {
  for (const [body, status] of [
    ['<html>', 200],
    ['{"models":{}}', 200],
    ['', 500],
  ] as const) {
    const { provider } = await answering(t, body, status);
    assert.equal((await failureOf(provider.defaultModel(signal))).code, 'provider_busy');
  }
});
