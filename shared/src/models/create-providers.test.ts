/** Which providers a configuration makes, and which model answers when a request names none. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../../scripts/start/free-port.ts';
import {
  callOf,
  collect,
  failureOf,
  ollamaDialect,
  openaiDialect,
  startRaw,
} from '../../../scripts/testing/dialects.ts';
import { readConfig } from '../config.ts';
import { TaskError } from '../errors.ts';
import { createLog } from '../log.ts';
import { createProviders } from './create-providers.ts';
import { builtin } from './providers/builtin.ts';
import { ollamaAt } from './providers/ollama/ollama.ts';
import { openai } from './providers/openai/openai.ts';

const log = createLog({ level: 'silent', name: 'test' });
const signal = new AbortController().signal;

const cleanUps: (() => void)[] = [];
/** A server that speaks both ways: it lists one model, and answers every chat. */
async function startServer(port = 0) {
  const server = await startRaw(
    { after: (close) => cleanUps.push(close) },
    (response) => {
      const path = server.requests.at(-1)?.url;
      if (path === '/api/chat') return response.end(ollamaDialect.text('via ollama') + ollamaDialect.end());
      if (path === '/v1/chat/completions') {
        response.writeHead(200, { 'content-type': openaiDialect.contentType });
        return response.end(openaiDialect.text('via openai') + openaiDialect.end());
      }
      const answer = {
        '/api/tags': { models: [{ name: 'bean:latest' }] },
        '/api/show': { capabilities: ['completion'] },
        '/v1/models': { data: [{ id: 'org/bean' }] },
      }[path ?? ''];
      return response.writeHead(answer ? 200 : 404).end(JSON.stringify(answer ?? {}));
    },
    port,
  );
  return server;
}

let url: string;
const nowhere = 'http://127.0.0.1:1';
before(async () => {
  ({ url } = await startServer());
});
after(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

const make = (env: Record<string, string>) => createProviders(readConfig(env), log);
/** The catalog where an Ollama that nobody told of is looked for here. */
const around = (ollamaUrl: string) => [openai, ollamaAt(ollamaUrl), builtin];
const OFF = { OLLAMA_HOST: 'off' };

describe('the model of requests that name none', () => {
  const cases: [string, () => Record<string, string>, string][] = [
    ['is the built-in one when there is nothing else', () => OFF, 'builtin/extract'],
    ['is of Ollama when it is told of', () => ({ OLLAMA_HOST: url }), 'ollama/bean:latest'],
    ["is OpenAI's with its key alone", () => ({ OPENAI_API_KEY: 'k', OLLAMA_HOST: url }), 'openai/gpt-4o-mini'],
    [
      "is OpenAI's at OpenAI's own address",
      () => ({ OPENAI_BASE_URL: 'https://api.openai.com/v1', ...OFF }),
      'openai/gpt-4o-mini',
    ],
    [
      'is the first one of the server at OPENAI_BASE_URL',
      () => ({ OPENAI_BASE_URL: `${url}/v1`, OLLAMA_HOST: url }),
      'openai/org/bean',
    ],
    ['is of the first of PROVIDERS', () => ({ PROVIDERS: `a=${url}/v1,b=${url}/v1`, OLLAMA_HOST: url }), 'a/org/bean'],
    ['is DEFAULT_MODEL, whatever there is', () => ({ DEFAULT_MODEL: 'x/y', OLLAMA_HOST: url }), 'x/y'],
  ];
  for (const [what, env, model] of cases) {
    test(what, async () => assert.equal(await (await make(env())).defaultModel(signal), model));
  }
});

describe('a name without a provider is answered by', () => {
  const cases: [string, () => Record<string, string>, string][] = [
    ['the provider that DEFAULT_MODEL names', () => ({ DEFAULT_MODEL: 'b/x', PROVIDERS: `a=${url},b=${url}` }), 'b'],
    ['OpenAI, when DEFAULT_MODEL names none', () => ({ DEFAULT_MODEL: 'x', OPENAI_API_KEY: 'k' }), 'openai'],
    ['Ollama, when DEFAULT_MODEL is all that is set: it is nothing built in', () => ({ DEFAULT_MODEL: 'x' }), 'ollama'],
    ['the built-in responder without Ollama', () => ({ DEFAULT_MODEL: 'x', ...OFF }), 'builtin'],
  ];
  for (const [what, env, name] of cases) test(what, async () => assert.equal((await make(env())).default.name, name));
});

test('every provider of a configuration answers by its name', async () => {
  const { byName } = await make({
    OPENAI_BASE_URL: `${url}/v1`,
    OLLAMA_HOST: url,
    PROVIDERS: `one=${url}/v1,two=${url}/v1`,
    DEFAULT_MODEL: 'one/x',
  });
  assert.deepEqual([...byName.keys()], ['openai', 'one', 'two', 'ollama', 'builtin']);
  for (const [name, provider] of byName) {
    if (name === 'builtin') continue;
    const { text } = await collect(provider.chat(callOf()));
    assert.equal(text, name === 'ollama' ? 'via ollama' : 'via openai');
    assert.equal(provider.name, name);
  }
});

test('a provider of PROVIDERS gets the key of its own variable and no other', async () => {
  const { url: own, requests } = await startServer();
  const { byName } = await make({
    ...OFF,
    OPENAI_API_KEY: 'sk-of-openai',
    OWN_KEY: 'sk-of-its-own',
    PROVIDERS: `keyed=OWN_KEY@${own}/v1,open=${own}/v1`,
  });
  for (const name of ['keyed', 'open']) await collect(byName.get(name)?.chat(callOf()) ?? assert.fail());
  assert.deepEqual(
    requests.map(({ headers }) => headers.authorization),
    ['Bearer sk-of-its-own', 'Bearer none'],
  );
});

test('the key of Ollama goes to the server that was told of, never to what listens at the default address', async () => {
  const { url: own, requests } = await startServer();
  for (const env of [{ OLLAMA_API_KEY: 'sk-x', OLLAMA_HOST: own }, { OLLAMA_API_KEY: 'sk-x' }]) {
    const { byName } = await createProviders(readConfig({ ...env, DEFAULT_MODEL: 'ollama/x' }), log, around(own));
    await collect(byName.get('ollama')?.chat(callOf()) ?? assert.fail());
  }
  assert.deepEqual(
    requests.map(({ headers }) => headers.authorization),
    ['Bearer sk-x', undefined],
  );
});

for (const [what, env] of [
  ['OLLAMA_HOST', (to: string) => ({ OLLAMA_HOST: to })],
  ['OPENAI_BASE_URL', (to: string) => ({ ...OFF, OPENAI_BASE_URL: `${to}/v1` })],
  ['PROVIDERS', (to: string) => ({ ...OFF, PROVIDERS: `late=${to}/v1` })],
] as const) {
  test(`a server of ${what} that is not there yet is never passed over: it is asked again by whoever needs it`, async () => {
    const port = await freePort();
    const providers = await make(env(`http://127.0.0.1:${port}`));
    assert.notEqual(providers.default.name, 'builtin');
    assert.equal((await failureOf(providers.defaultModel(signal))).code, 'provider_busy');
    const { requests } = await startServer(port);
    assert.match(await providers.defaultModel(signal), /bean/);
    const asked = requests.length;
    await providers.defaultModel(signal);
    assert.equal(requests.length, asked, 'an answer is kept');
  });
}

test('a start does not wait for a server that takes the question and never answers', async () => {
  const { url: silent } = await startRaw({ after: (close) => cleanUps.push(close) });
  const before = performance.now();
  const providers = await make({ ...OFF, OPENAI_BASE_URL: `${silent}/v1` });
  assert.ok(performance.now() - before < 10_000);
  const late = new TaskError('timed_out', 'the reason of this test');
  await assert.rejects(providers.defaultModel(AbortSignal.abort(late)), (error) => error === late);
});

test('an Ollama nobody told of is used when it is there', async () => {
  const providers = await createProviders(readConfig({}), log, around(url));
  assert.equal(await providers.defaultModel(signal), 'ollama/bean:latest');
});

for (const [what, look] of [
  ['not there', () => nowhere],
  ['silent', async () => (await startRaw({ after: (close) => cleanUps.push(close) })).url],
  ['something else', async () => (await startRaw({ after: (close) => cleanUps.push(close) }, (r) => r.end('hi'))).url],
] as const) {
  test(`an Ollama nobody told of that is ${what} leaves the built-in responder`, async () => {
    const providers = await createProviders(readConfig({}), log, around(await look()));
    assert.equal(await providers.defaultModel(signal), 'builtin/extract');
  });
}

test('an Ollama that is not there says so, and where it was looked for when nobody told of it', async () => {
  const told = await make({ OLLAMA_HOST: nowhere });
  const untold = await createProviders(readConfig({}), log, around(nowhere));
  const message = async (providers: typeof told) =>
    (await failureOf(collect(providers.byName.get('ollama')?.chat(callOf()) ?? assert.fail()))).message;
  assert.match(await message(told), /not reachable.*Is it running\?$/);
  assert.match(await message(untold), new RegExp(`Is it running\\? It was looked for at ${nowhere}; OLLAMA_HOST`));
});
