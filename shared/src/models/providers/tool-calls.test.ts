/** Calls of functions come in one form, whatever the form in which a server streams them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callOf, collect, failureOf, ollamaDialect, openaiDialect } from '../../../../scripts/testing/dialects.ts';
import type { ChatMessage, ChatTool, ToolCall } from '../../provider.ts';
import { addToolCalls } from '../tool-calls.ts';
import { sse } from './testing/answer-case.ts';
import { answering } from './testing/answering.ts';
import { ollamaToolCalls, openaiToolCalls } from './testing/tool-call-cases.ts';

const tool = (name: string): ChatTool => ({
  type: 'function',
  function: { name, description: 'x', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
});
const tools = [tool('weather'), tool('now')];

const parsed = (text: string) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

for (const [dialect, cases] of [
  [openaiDialect, openaiToolCalls],
  [ollamaDialect, ollamaToolCalls],
] as const) {
  describe(`the calls of ${dialect.name}`, () => {
    for (const { name, body, calls, ids, text = '', finish = 'tool_calls' } of cases) {
      test(name, async (t) => {
        const { provider } = await answering(t, dialect, [body]);
        const given = await collect(provider.chat(callOf({ tools })));
        const pieces = given.all.flatMap(({ toolCalls = [] }) => toolCalls);
        const got: ToolCall[] = [];
        addToolCalls(got, pieces);
        assert.deepEqual(
          got.map(({ function: called }) => [called.name, parsed(called.arguments)]),
          calls,
        );
        assert.equal(given.text, text);
        assert.equal(given.all.findLast(({ finishReason }) => finishReason)?.finishReason, finish);
        assert.equal(new Set(got.map(({ id }) => id)).size, calls.length, 'each has an id of its own');
        for (const [at, id] of (ids ?? []).entries()) {
          if (id !== null) assert.equal(got[at]?.id, id);
          else assert.match(got[at]?.id ?? '', /^[0-9A-Za-z]{9}$/);
        }
        for (const [at, piece] of pieces.entries()) {
          const isFirst = pieces.findIndex(({ index }) => index === piece.index) === at;
          assert.deepEqual(['id' in piece, 'name' in piece], [isFirst, isFirst], 'id and name come once');
        }
      });
    }
  });
}

const half = { index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":' } };
test('a stream that ends in the middle of a call is provider_busy', async (t) => {
  const body = sse({ choices: [{ index: 0, delta: { tool_calls: [half] } }] });
  const { provider } = await answering(t, openaiDialect, [body]);
  const error = await failureOf(collect(provider.chat(callOf({ tools }))));
  assert.equal(error.code, 'provider_busy');
});

const TURN: ChatMessage[] = [
  { role: 'user', content: 'Weather?' },
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } }],
  },
  { role: 'tool', content: 'sunny', tool_call_id: 'call_1' },
];

test('OpenAI-like servers are sent functions, calls and results as OpenAI has them', async (t) => {
  const { provider, sent } = await answering(t, openaiDialect, [openaiDialect.text('a') + openaiDialect.end()]);
  const settings = { tool_choice: 'required', parallel_tool_calls: false, stop: 'x', seed: 7 } as const;
  const response_format = { type: 'json_object' } as const;
  const extra = { top_k: 5, chat_template_kwargs: { enable_thinking: false }, model: 'another', stream: false };
  await collect(
    provider.chat(callOf({ tools, messages: TURN, ...settings, response_format, reasoning_effort: 'low', extra })),
  );
  const [body] = sent();
  assert.deepEqual(body.messages.slice(1), [TURN[0], { ...TURN[1], content: null }, TURN[2]]);
  assert.deepEqual(body.tools, tools);
  const { tool_choice, parallel_tool_calls, stop, seed, top_k, chat_template_kwargs, model, stream } = body;
  assert.deepEqual({ tool_choice, parallel_tool_calls, stop, seed }, settings);
  assert.deepEqual([body.response_format, body.reasoning_effort], [response_format, 'low']);
  assert.deepEqual([top_k, chat_template_kwargs, model, stream], [5, extra.chat_template_kwargs, 'm', true]);
});

test('what would say nothing, or be refused without functions, is not sent', async (t) => {
  const { provider, sent } = await answering(t, openaiDialect, [openaiDialect.text('a') + openaiDialect.end()]);
  await collect(
    provider.chat(
      callOf({ tools: [], tool_choice: 'auto', parallel_tool_calls: true, response_format: { type: 'text' } }),
    ),
  );
  assert.deepEqual(Object.keys(sent()[0]).sort(), ['messages', 'model', 'stream', 'stream_options']);
});

test('Ollama is sent arguments as an object, and the name of the function with its result', async (t) => {
  const { provider, sent } = await answering(t, ollamaDialect, [ollamaDialect.text('a') + ollamaDialect.end()]);
  const schema = { type: 'object' };
  const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } } as const;
  const more = { stop: 'x', seed: 7, extra: { top_k: 5, num_predict: 9 }, response_format, reasoning_effort: 'none' };
  await collect(provider.chat(callOf({ tools, messages: TURN, ...more })));
  const [body] = sent();
  assert.deepEqual(body.messages.slice(1), [
    {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'call_1', function: { name: 'weather', arguments: { city: 'Paris' } } }],
    },
    { role: 'tool', content: 'sunny', tool_call_id: 'call_1', tool_name: 'weather' },
  ]);
  assert.deepEqual([body.tools, body.format, body.think], [tools, schema, false]);
  assert.deepEqual(body.options, { top_k: 5, num_predict: 9, stop: ['x'], seed: 7 });
});

test('a function that is forced is the only one that Ollama is sent, and the rest is told', async (t) => {
  const { provider, sent } = await answering(t, ollamaDialect, [ollamaDialect.text('a') + ollamaDialect.end()]);
  const tool_choice = { type: 'function', function: { name: 'now' } } as const;
  const { all } = await collect(provider.chat(callOf({ tools, tool_choice })));
  assert.match(all[0]?.note ?? '', /does not take tool_choice/);
  await collect(provider.chat(callOf({ tools, tool_choice: 'none' })));
  assert.deepEqual(
    sent().map((body) => body.tools),
    [[tool('now')], undefined],
  );
});
