/**
 * A real Ollama through both clients, its own and OpenAI's: runs when OLLAMA_HOST names one that has a small chat model
 * (OLLAMA_TEST_MODEL, or `smol`). A small model says what it likes: only the shape of what it says is looked at.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, checkEnded, followToEnd, getTask, submit, visibleText } from '../../../../scripts/testing/client.ts';
import { callOf, collect, failureOf, viaOllama, viaOpenai } from '../../../../scripts/testing/dialects.ts';
import { eventually } from '../../../../scripts/testing/raw.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';
import { readConfig } from '../../config.ts';
import { TaskError } from '../../errors.ts';
import type { ChatTool, Provider, ToolCall } from '../../provider.ts';
import { addToolCalls } from '../tool-calls.ts';

const { OLLAMA_HOST: url = 'off' } = readConfig({ OLLAMA_HOST: process.env.OLLAMA_HOST });
const MODEL = process.env.OLLAMA_TEST_MODEL ?? 'smol';
const has = url === 'off' ? [] : await modelsAt(url);
const missing =
  url === 'off' ? 'OLLAMA_HOST names no Ollama' : has?.includes(MODEL) === false && `${url} has no ${MODEL}`;
const skip = missing && `${missing}: NOTHING IS PROVED ABOUT A REAL OLLAMA in this run`;
if (skip) process.stderr.write(`${skip}\n`);

/** What is there, without `:latest`; undefined when nothing answers, which is for the tests to say. */
async function modelsAt(base: string): Promise<string[] | undefined> {
  const response = await fetch(`${base}/api/tags`).catch(() => undefined);
  const list = (await response?.json()) as { models: { name: string }[] } | undefined;
  return list?.models.map(({ name }) => name.replace(/:latest$/, ''));
}

/** A model that calls functions, and one that gives vectors, where they are there. */
const TOOLS_MODEL = process.env.OLLAMA_TEST_TOOLS_MODEL ?? 'smol-tools';
const VECTOR_MODEL = process.env.OLLAMA_TEST_VECTOR_MODEL ?? 'minilm';
const without = (model: string) =>
  skip || (has?.includes(model) === false && `${url} has no ${model}: NOTHING IS PROVED ABOUT IT in this run`);
const weather: ChatTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const CALL = { model: MODEL, temperature: 0, max_tokens: 24 };
const LONG = { ...CALL, max_tokens: 1_500 };
const asked = (content: string) => [{ role: 'user' as const, content }];
/** The small model's answer to this does not end by itself before LONG's tokens. */
const STORY = asked('Write a very long story about a bean.');
const cancelled = new TaskError('timed_out', 'the reason of this test');

/** A PNG of one pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

const clients: [string, Provider][] = skip
  ? []
  : [
      ['the ollama client', viaOllama({ name: 'upstream', url })],
      ['the openai client', viaOpenai({ name: 'upstream', baseURL: `${url}/v1` })],
    ];

test('a real Ollama is there', { skip }, async () => {
  assert.equal((await fetch(`${url}/api/version`)).status, 200);
});

for (const [client, provider] of clients) {
  describe(client, () => {
    test('streams an answer in pieces, with model, finish and usage', async () => {
      const { all, text, usage } = await collect(provider.chat(callOf({ ...CALL, messages: asked('Say hello.') })));
      assert.ok(all.filter((chunk) => chunk.text !== '').length > 1, 'more than one piece');
      assert.ok(text.trim().length > 0);
      assert.equal(all[0]?.model, MODEL);
      assert.match(all.find((chunk) => chunk.finishReason)?.finishReason ?? '', /^(stop|length)$/);
      assert.ok(usage && usage.inputTokens > 0 && usage.outputTokens > 0 && usage.outputTokens <= CALL.max_tokens);
    });

    test('is cut at max_tokens and says so', async () => {
      const { all, usage } = await collect(provider.chat(callOf({ ...CALL, max_tokens: 3, messages: STORY })));
      assert.equal(all.find((chunk) => chunk.finishReason)?.finishReason, 'length');
      assert.equal(usage?.outputTokens, 3);
    });

    test('has no such model: refused at once', async () => {
      const error = await failureOf(collect(provider.chat(callOf({ ...CALL, model: 'no-such-model' }))));
      assert.equal(error.code, 'provider_refused');
      if (client === 'the ollama client') assert.match(error.message, /ollama pull no-such-model$/);
    });

    test('calls a function, and goes on from its result', { skip: without(TOOLS_MODEL) }, async () => {
      const question = asked('What is the weather in Paris?');
      const call = { model: TOOLS_MODEL, temperature: 0, max_tokens: 64, tools: [weather] };
      const { all } = await collect(provider.chat(callOf({ ...call, messages: question })));
      const calls: ToolCall[] = [];
      for (const { toolCalls } of all) addToolCalls(calls, toolCalls);
      const [made] = calls;
      assert.equal(made?.function.name, 'get_weather');
      assert.equal(typeof JSON.parse(made.function.arguments).city, 'string');
      assert.ok(made.id.length > 0);
      assert.equal(all.findLast(({ finishReason }) => finishReason)?.finishReason, 'tool_calls');
      const result = { role: 'tool' as const, content: 'sunny', tool_call_id: made.id };
      const said = { role: 'assistant' as const, content: '', tool_calls: calls };
      const { text } = await collect(provider.chat(callOf({ ...call, messages: [...question, said, result] })));
      assert.ok(text.length > 0);
    });

    test('has no functions: answers without, and says so', async () => {
      const { all, text } = await collect(
        provider.chat(callOf({ ...CALL, tools: [weather], messages: asked('Say hello.') })),
      );
      assert.ok(text.length > 0);
      assert.match(all[0]?.note ?? '', /does not take tools/);
    });

    test('answers in the form of a schema', async () => {
      const schema = { type: 'object', properties: { name: { type: 'string', maxLength: 10 } }, required: ['name'] };
      const response_format = { type: 'json_schema', json_schema: { name: 'person', schema } } as const;
      const messages = asked('Name a person, as JSON.');
      const { text } = await collect(provider.chat(callOf({ ...CALL, max_tokens: 200, response_format, messages })));
      assert.equal(typeof JSON.parse(text).name, 'string');
    });

    test('gives vectors of one length, for as many texts as there are', { skip: without(VECTOR_MODEL) }, async () => {
      const { signal } = new AbortController();
      const embedded = await provider.embed?.(['a bean', 'a queue', '콩'], { model: VECTOR_MODEL, signal });
      const lengths = new Set(embedded?.vectors.map(({ length }) => length));
      assert.deepEqual([embedded?.vectors.length, lengths.size], [3, 1]);
      assert.ok((embedded?.usage?.inputTokens ?? 0) > 0);
    });

    test('lists its models', async () => {
      const models = (await provider.listModels?.(new AbortController().signal)) ?? [];
      assert.ok(models.some(({ name }) => name.replace(/:latest$/, '') === MODEL));
    });

    test('is sent what is no image: refused', async () => {
      const broken = [{ type: 'image_url' as const, image_url: { url: 'data:image/png;base64,***' } }];
      const error = await failureOf(
        collect(provider.chat(callOf({ ...CALL, messages: [{ role: 'user', content: broken }] }))),
      );
      assert.equal(error.code, 'provider_refused');
    });

    test('takes an image beside the text', async () => {
      const image = { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${PNG}` } };
      const content = [{ type: 'text' as const, text: 'What is this?' }, image];
      const call = callOf({ ...CALL, messages: [{ role: 'user', content }] });
      // A model without eyes may answer from the text, or refuse.
      const end = await collect(provider.chat(call)).catch((error: unknown) => error);
      if (end instanceof Error) assert.equal((end as TaskError).code, 'provider_refused');
      else assert.ok((end as { text: string }).text.length > 0);
    });

    test('knows its model that calls without one get', async () => {
      const model = await provider.defaultModel(new AbortController().signal);
      const { text } = await collect(provider.chat(callOf({ ...CALL, model, messages: asked('Say hello.') })));
      assert.ok(text.length > 0);
    });

    test('stops generating when a call is aborted: the next one begins long before the first would have ended', async () => {
      const controller = new AbortController();
      const chunks = provider.chat(callOf({ ...LONG, messages: STORY, signal: controller.signal }));
      let pieces = 0;
      const startedAt = performance.now();
      await assert.rejects(
        async () => {
          for await (const { text } of chunks) {
            if (text !== '') pieces += 1;
            if (pieces === 10) controller.abort(cancelled);
          }
        },
        (error) => error === cancelled,
      );
      assert.equal(pieces, 10);
      const pieceMs = (performance.now() - startedAt) / pieces;
      const abortedAt = performance.now();
      await collect(provider.chat(callOf({ ...CALL, max_tokens: 1, messages: asked('Say hello.') })));
      const waitedMs = performance.now() - abortedAt;
      // One call at a time is served: had the first gone on, this one would have waited for its 1,490 other tokens.
      assert.ok(waitedMs < (pieceMs * LONG.max_tokens) / 3, `${waitedMs} ms, ${pieceMs} ms a piece`);
    });
  });
}

test('a model of Ollama is described as it is served', { skip: without(TOOLS_MODEL) }, async () => {
  const provider = viaOllama({ name: 'upstream', url });
  const { tools, contextTokens = 0 } = (await provider.describe?.(TOOLS_MODEL, new AbortController().signal)) ?? {};
  assert.equal(tools, true);
  assert.ok(contextTokens >= 512);
});

describe('a whole system with a real Ollama', { skip }, () => {
  let system: System;
  before(async () => {
    system = await startSystem({
      env: { OLLAMA_HOST: url, PROVIDERS: `compatible=${url}/v1`, DEFAULT_MODEL: `ollama/${MODEL}` },
    });
  });
  after(() => system.stop());

  for (const [model, provider] of [
    [undefined, 'ollama'],
    [`compatible/${MODEL}`, 'compatible'],
  ] as const) {
    test(`answers a POST through ${provider}, and its stream is its log`, async () => {
      const id = await submit(system.url, chat('Say hello.', { model, temperature: 0, max_tokens: 16 }));
      const seen = await followToEnd(system.url, id);
      await checkEnded(system.url, id, seen);
      const { json } = await getTask(system.url, id);
      assert.equal(json.status, 'completed', JSON.stringify(json.error));
      assert.deepEqual([json.output.provider, json.output.model, json.attempt], [provider, MODEL, 1]);
      assert.ok(visibleText(seen).length > 0);
      assert.equal(json.output.content, visibleText(seen));
      assert.equal(json.usage.total_tokens, json.usage.input_tokens + json.usage.output_tokens);
      assert.equal('estimated' in json.usage, false);
    });
  }

  test('an agent: a model that calls tools runs the loop, one that does not a pipeline', {
    skip: without(TOOLS_MODEL),
  }, async () => {
    for (const [model, mode] of [
      [`ollama/${TOOLS_MODEL}`, 'loop'],
      [`compatible/${TOOLS_MODEL}`, 'loop'],
      [`ollama/${MODEL}`, 'pipeline'],
    ] as const) {
      const asks = { model, tools: ['calculator', 'chat'], temperature: 0, max_tokens: 60, max_steps: 3 };
      const id = await submit(system.url, chat('Use the calculator: what is 12 * 12?', asks), '/api/chat/agentic');
      const seen = await followToEnd(system.url, id);
      await checkEnded(system.url, id, seen);
      const { json } = await getTask(system.url, id);
      assert.equal(json.status, 'completed', JSON.stringify(json.error));
      const { output, usage } = json;
      assert.deepEqual([output.mode, output.content], [mode, visibleText(seen)]);
      // What a small model does with its tools is its own affair: every call that it made is in the results, or was told it.
      const results = seen.filter(({ type }) => type === 'tool_result').length;
      assert.equal(output.results.length, results);
      assert.ok(usage.input_tokens > 0 && output.steps >= 1);
    }
  });

  for (const provider of ['ollama', 'compatible']) {
    const settings = { model: `${provider}/${TOOLS_MODEL}`, temperature: 0, max_tokens: 64, tools: [weather] };
    test(`a session calls a function through ${provider}, and goes on`, { skip: without(TOOLS_MODEL) }, async () => {
      const session_id = await sessionClient(system.url).create();
      const run = async (messages: unknown[]) => {
        const id = await submit(system.url, { session_id, ...settings, messages });
        await checkEnded(system.url, id, await followToEnd(system.url, id));
        const { json } = await getTask(system.url, id);
        assert.equal(json.status, 'completed', JSON.stringify(json.error));
        return json.output;
      };
      const { tool_calls: calls, finish_reason } = await run(asked('What is the weather in Paris?'));
      assert.deepEqual([calls[0].function.name, finish_reason], ['get_weather', 'tool_calls']);
      assert.equal(typeof JSON.parse(calls[0].function.arguments).city, 'string');
      const { content } = await run([{ role: 'tool', tool_call_id: calls[0].id, content: 'sunny' }]);
      assert.ok(content.length > 0);
    });
  }

  test('a cancel ends the task with what came, and frees the model', async () => {
    const id = await submit(system.url, { messages: STORY, temperature: 0, max_tokens: LONG.max_tokens });
    while (((await getTask(system.url, id)).json.status as string) !== 'in_progress') await delay(20);
    const cancel = eventually(
      async () => (await fetch(`${system.url}/tasks/${id}/cancel`, { method: 'POST' })).status,
      (status) => status < 300,
    );
    const seen = await followToEnd(system.url, id);
    await cancel;
    assert.equal(seen.at(-1)?.data.status, 'cancelled');
    await checkEnded(system.url, id, seen);
  });

  test('a model that is not there fails the task with the command that gets it', async () => {
    const id = await submit(system.url, chat('hello', { model: 'ollama/no-such-model' }));
    const { error } = (await followToEnd(system.url, id)).at(-1)?.data ?? {};
    assert.equal(error.code, 'provider_refused');
    assert.match(error.message, /ollama pull no-such-model$/);
  });
});
