import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf } from '../../../scripts/testing/dialects.ts';
import { TaskError } from '../errors.ts';
import type { ChatChunk, Provider } from '../provider.ts';
import { createLlm, type Providers } from './llm.ts';

/** A provider that says which model it was asked for. */
function echo(name: string): Provider {
  return {
    name,
    place: 'here',
    ...(name === 'builtin' ? { models: ['extract'] } : {}),
    defaultModel: async () => 'own',
    async *chat({ model }): AsyncGenerator<ChatChunk> {
      yield { text: `${name}:${model}`, finishReason: 'stop' };
    },
  };
}

function providers(names: string[], first: string, more: Partial<Providers> = {}): Providers {
  const byName = new Map(names.map((name) => [name, echo(name)]));
  const provider = byName.get(first);
  assert(provider);
  return {
    known: ['openai', 'ollama', 'builtin'],
    byName,
    default: provider,
    defaultModel: async () => `${first}/own`,
    ...more,
  };
}

async function answer(all: Providers, model?: string) {
  const signal = new AbortController().signal;
  const { llm } = createLlm({ providers: all, idleTimeoutMs: 1_000, signal });
  let text = '';
  for await (const chunk of llm.chat({ model, messages: [{ role: 'user', content: 'x' }] })) text += chunk.text;
  return { text, outcome: llm.outcome() };
}

const ALL = ['openai', 'vllm', 'ollama', 'builtin'];
for (const [first, name, answeredBy] of [
  ['openai', undefined, 'openai:own'],
  ['openai', 'gpt-4o', 'openai:gpt-4o'],
  ['openai', 'openai/gpt-4o', 'openai:gpt-4o'],
  ['openai', 'vllm/meta-llama/Llama-3.1-8B', 'vllm:meta-llama/Llama-3.1-8B'],
  ['vllm', 'meta-llama/Llama-3.1-8B', 'vllm:meta-llama/Llama-3.1-8B'],
  ['openai', 'ollama/hf.co/someone/model:Q4', 'ollama:hf.co/someone/model:Q4'],
  ['ollama', 'hf.co/someone/model:Q4', 'ollama:hf.co/someone/model:Q4'],
  ['ollama', 'VLLM/x', 'ollama:VLLM/x'],
  ['ollama', '/models/x.gguf', 'ollama:/models/x.gguf'],
  ['openai', 'builtin/extract', 'builtin:extract'],
  ['builtin', 'extract', 'builtin:extract'],
] as const) {
  test(`with ${first} as the default, ${name ?? 'no name'} is answered by ${answeredBy}`, async () => {
    const { text, outcome } = await answer(providers(ALL, first), name);
    assert.equal(text, answeredBy);
    assert.equal(`${outcome.provider}:${outcome.model}`, answeredBy);
  });
}

for (const [names, first, name] of [
  [['ollama', 'builtin'], 'ollama', 'openai/gpt-4o'],
  [['openai', 'builtin'], 'openai', 'ollama/llama3.2'],
  [['ollama', 'builtin'], 'builtin', 'groq/llama'],
] as [string[], string, string][]) {
  test(`${name} is provider_not_configured where only ${names} are, and the message names them`, async () => {
    const error = await failureOf(answer(providers(names, first), name));
    assert.equal(error.code, 'provider_not_configured');
    assert.match(error.message, new RegExp(`${name.split('/')[0]}, which .* Configured: ${names.join(', ')}\\.`));
  });
}

test('while the default model is being asked for the idle deadline runs, and a stop ends the call with its reason', async () => {
  const silent = (signal: AbortSignal) =>
    new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const all = providers(ALL, 'openai', { defaultModel: silent });
  const read = async (idleTimeoutMs: number, signal: AbortSignal) => {
    const { llm, usage } = createLlm({ providers: all, idleTimeoutMs, signal });
    const call = async () => {
      for await (const _ of llm.chat({ messages: [] }));
    };
    const error = await failureOf(call());
    assert.equal(usage(), undefined, 'a call that was never made used nothing');
    return error;
  };
  const idle = await read(20, new AbortController().signal);
  assert.deepEqual([idle.code, idle.retry], ['provider_busy', true]);
  const stop = new TaskError('timed_out', 'the reason of this test');
  const controller = new AbortController();
  const stopped = read(60_000, controller.signal);
  controller.abort(stop);
  assert.equal(await stopped, stop);
});

/** Calls a provider that gives these chunks. */
async function told(chunks: ChatChunk[]) {
  const provider: Provider = {
    ...echo('openai'),
    async *chat() {
      yield* chunks;
    },
  };
  const all = providers(ALL, 'openai', { default: provider, byName: new Map([['openai', provider]]) });
  return answer(all);
}
const count = (inputTokens: number, outputTokens: number): ChatChunk => ({
  text: '',
  usage: { inputTokens, outputTokens },
});

for (const [what, chunks, usage] of [
  ['the last count that is told', [count(5, 1), count(5, 3)], { inputTokens: 5, outputTokens: 3, estimated: false }],
  ['a count that zeros follow', [count(5, 3), count(0, 0)], { inputTokens: 5, outputTokens: 3, estimated: false }],
  ['what was not zero of each', [count(5, 0), count(0, 3)], { inputTokens: 5, outputTokens: 3, estimated: false }],
  ['zeros, when nothing else is told', [count(0, 0)], { inputTokens: 0, outputTokens: 0, estimated: false }],
  [
    'a count before one that is none',
    [count(5, 3), count(-1, 0.5)],
    { inputTokens: 5, outputTokens: 3, estimated: false },
  ],
] as const) {
  test(`the usage of a call is ${what}`, async () => {
    assert.deepEqual((await told([{ text: 'a', finishReason: 'stop' }, ...chunks])).outcome.usage, usage);
  });
}

test('an answer without a word is provider_busy, and provider_refused when there was no room for one', async () => {
  const busy = await failureOf(told([{ text: ' ', reasoning: 'hm', finishReason: 'stop' }]));
  assert.deepEqual([busy.code, busy.away], ['provider_busy', false]);
  assert.equal((await failureOf(told([]))).code, 'provider_busy');
  const full = await failureOf(told([{ text: '', reasoning: 'hm', finishReason: 'length' }]));
  assert.equal(full.code, 'provider_refused');
  assert.match(full.message, /thought until .* max_tokens/);
});

test('an answer that calls a function needs no word, and its calls and functions count where the backend does not', async () => {
  const toolCalls = [
    { index: 0, id: 'a', name: 'f', arguments: '{"a":' },
    { index: 0, arguments: '"0123456789"}' },
  ];
  const { outcome } = await told([
    { text: '', toolCalls },
    { text: '', finishReason: 'tool_calls' },
  ]);
  assert.deepEqual(outcome.usage, { inputTokens: 1, outputTokens: 5, estimated: true });
  assert.equal(outcome.finish_reason, 'tool_calls');
});

test('tokens that were read before, and thought, add up where they are told', async () => {
  const usage = { inputTokens: 5, outputTokens: 3, cachedTokens: 4, reasoningTokens: 2 };
  const { outcome } = await told([
    { text: 'a', usage: { ...usage, cachedTokens: 1 } },
    { text: '', finishReason: 'stop', usage },
    { text: '', usage: { inputTokens: 5, outputTokens: 3, cachedTokens: 0.5, reasoningTokens: 0 } },
  ]);
  assert.deepEqual(outcome.usage, { ...usage, estimated: false });
});

test('what could not be honoured is told once, and a model stays one', async () => {
  const { outcome } = await told([
    { text: 'a', note: 'without temperature' },
    { text: 'b', note: 'without temperature', finishReason: 'stop' },
  ]);
  assert.deepEqual([outcome.note, outcome.isModel], ['without temperature', true]);
});
