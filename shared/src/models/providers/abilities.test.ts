/** What servers have, and what their models can do, whatever the words in which each says it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, ollamaDialect, startRaw, viaOpenai } from '../../../../scripts/testing/dialects.ts';
import type { ModelInfo } from '../../provider.ts';

const signal = new AbortController().signal;

/** A server whose `GET /models` answers this. */
async function listing(t: TestContext, answer: unknown, status = 200) {
  const server = await startRaw(t, (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  return { provider: viaOpenai({ name: 'upstream', baseURL: `${server.url}/v1` }), requests: server.requests };
}

for (const [server, answer, models] of [
  [
    'OpenAI',
    { data: [{ id: 'gpt-4o-mini', object: 'model' }, { id: 'text-embedding-3-small' }, { id: 'other' }] },
    [
      { name: 'gpt-4o-mini', tools: true, vision: true, contextTokens: 128_000 },
      { name: 'text-embedding-3-small', embedding: true, tools: false, vision: false, contextTokens: 8_192 },
      { name: 'other' },
    ],
  ],
  [
    'vLLM',
    { data: [{ id: 'Qwen/Qwen3-8B', max_model_len: 40_960 }] },
    [{ name: 'Qwen/Qwen3-8B', contextTokens: 40_960 }],
  ],
  [
    'OpenRouter',
    {
      data: [
        {
          id: 'meta-llama/llama-3.3-70b-instruct',
          context_length: 131_072,
          architecture: { input_modalities: ['text'] },
          supported_parameters: ['max_tokens', 'tools'],
        },
      ],
    },
    [{ name: 'meta-llama/llama-3.3-70b-instruct', tools: true, vision: false, contextTokens: 131_072 }],
  ],
  [
    'Mistral',
    {
      data: [
        {
          id: 'mistral-small',
          max_context_length: 32_768,
          capabilities: { completion_chat: true, function_calling: true, vision: false },
        },
      ],
    },
    [{ name: 'mistral-small', tools: true, vision: false, contextTokens: 32_768 }],
  ],
  ['Groq', { data: [{ id: 'a', context_window: 8_192 }] }, [{ name: 'a', contextTokens: 8_192 }]],
  ['llama.cpp', { data: [{ id: 'a', meta: { n_ctx_train: 4_096 } }] }, [{ name: 'a', contextTokens: 4_096 }]],
  [
    'Together',
    [{ id: 'a', type: 'embedding', context_length: 512 }],
    [{ name: 'a', embedding: true, contextTokens: 512 }],
  ],
  ['a server that lists nonsense', { data: [7, { id: 7 }, { id: 'a', context_length: -1 }] }, [{ name: 'a' }]],
  ['a server that lists nothing', { data: null }, []],
] as [string, unknown, ModelInfo[]][]) {
  test(`the models of ${server}`, async (t) => {
    const { provider } = await listing(t, answer);
    assert.deepEqual(await provider.listModels?.(signal), models);
    const [first] = models;
    if (!first) return;
    const { name, ...abilities } = first;
    assert.deepEqual(await provider.describe?.(name, signal), abilities);
  });
}

test('a server without a list has no models, and one that fails says so; neither keeps a model from being described', async (t) => {
  const { provider } = await listing(t, {}, 404);
  assert.deepEqual(await provider.listModels?.(signal), []);
  assert.deepEqual(await provider.describe?.('a', signal), {});
  const { provider: failing, requests } = await listing(t, {}, 500);
  assert.equal((await failureOf(failing.listModels?.(signal) ?? Promise.resolve())).code, 'provider_busy');
  assert.deepEqual(await failing.describe?.('a', signal), {});
  assert.deepEqual(await failing.describe?.('gpt-4o', signal), { tools: true, vision: true, contextTokens: 128_000 });
  assert.equal(requests.length, 2, 'what is known by its name is not asked for');
});

const info = (length: number) => ({ 'general.architecture': 'llama', 'llama.context_length': length });

/** An Ollama with these models, each as `show` tells of it, and what runs. */
async function ollama(t: TestContext, models: Record<string, object>, running: object[] = []) {
  const { url, requests } = await startRaw(t, (response) => {
    const { url: path, body } = requests.at(-1) ?? { url: '', body: '' };
    const list = Object.keys(models).map((name) => ({ name }));
    const answers: Record<string, () => unknown> = {
      '/api/tags': () => ({ models: list }),
      '/api/ps': () => ({ models: running }),
      '/api/show': () => models[JSON.parse(body).model],
    };
    const answer = answers[path]?.();
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: 'not found' }));
  });
  return ollamaDialect.provider(url);
}

test("Ollama's models, as it shows them", async (t) => {
  const provider = await ollama(t, {
    'a:latest': { capabilities: ['completion', 'tools', 'vision'], model_info: info(8_192) },
    minilm: { capabilities: ['embedding'], model_info: { 'bert.context_length': 512 } },
    old: { details: { family: 'llama' } },
  });
  assert.deepEqual(await provider.listModels?.(signal), [
    { name: 'a:latest', tools: true, vision: true, embedding: false, contextTokens: 8_192 },
    { name: 'minilm', tools: false, vision: false, embedding: true, contextTokens: 512 },
    { name: 'old', embedding: false },
  ]);
});

for (const [what, shown, running, contextTokens] of [
  ['it is loaded with', {}, [{ name: 'a:latest', context_length: 2_048 }], 2_048],
  [
    'it was made with',
    { parameters: 'stop "x"\nnum_ctx   1024' },
    [{ name: 'a:latest', context_length: 2_048 }],
    1_024,
  ],
  ['Ollama gives by itself', {}, [{ name: 'b', context_length: 2_048 }], 4_096],
  ['it can have, when that is less', { model_info: info(512) }, [], 512],
] as const) {
  test(`the context of a model of Ollama is what ${what}`, async (t) => {
    const model = { capabilities: ['completion', 'tools'], model_info: info(8_192), ...shown };
    const provider = await ollama(t, { 'a:latest': model, a: model }, [...running]);
    const { tools, contextTokens: given } = (await provider.describe?.('a', signal)) ?? {};
    assert.deepEqual([tools, given], [true, contextTokens]);
  });
}

test('a model that Ollama does not have is described with the command that gets it', async (t) => {
  const provider = await ollama(t, {});
  const error = await failureOf(provider.describe?.('a', signal) ?? Promise.resolve());
  assert.match(error.message, /ollama pull a$/);
});
