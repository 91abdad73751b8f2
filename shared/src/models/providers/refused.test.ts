/** What a model does not take is left out, said in words, or told to whoever sent it; and what it wants besides is given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callOf, collect, failureOf, ollamaDialect, openaiDialect } from '../../../../scripts/testing/dialects.ts';
import type { ChatMessage, ChatTool } from '../../provider.ts';
import { answering } from './testing/answering.ts';

const tool = (name: string): ChatTool => ({
  type: 'function',
  function: { name, description: 'x', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
});
const tools = [tool('weather'), tool('now')];

const TURN: ChatMessage[] = [
  { role: 'user', content: 'Weather?' },
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } }],
  },
  { role: 'tool', content: 'sunny', tool_call_id: 'call_1' },
];

const NO_TOOLS = [
  ['Ollama', { error: 'registry.ollama.ai/library/smol:latest does not support tools' }, 400],
  ['vLLM', { message: '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set' }, 400],
  ['OpenRouter', { error: { message: 'No endpoints found that support tool use.', code: 404 } }, 404],
  ['llama.cpp', { error: { code: 500, message: 'tools param requires --jinja flag', type: 'server_error' } }, 500],
  ['Groq', { error: { message: '`tools` is not supported with this model' } }, 400],
] as const;
for (const [server, told, status] of NO_TOOLS) {
  const dialect = server === 'Ollama' ? ollamaDialect : openaiDialect;
  test(`a model without functions, as ${server} says it, answers without; from then on it is asked without`, async (t) => {
    const refusal = { status, body: JSON.stringify(told) };
    const { provider, sent } = await answering(t, dialect, [refusal, dialect.text('a') + dialect.end()]);
    for (let call = 1; call <= 2; call++) {
      const { all, text } = await collect(provider.chat(callOf({ tools, tool_choice: 'auto' })));
      assert.equal(text, 'a');
      assert.match(all[0]?.note ?? '', /does not take tools/);
    }
    assert.deepEqual(
      sent().map((body) => 'tools' in body),
      [true, false, false],
    );
  });
}

const schema = { type: 'object', properties: { city: { type: 'string' } } };
const BY_SCHEMA = { type: 'json_schema', json_schema: { name: 'x', schema } } as const;
for (const [server, message] of [
  ['DeepSeek', 'This response_format type is unavailable now'],
  ['Groq', 'This model does not support response format `json_schema`.'],
  ['another', "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."],
] as const) {
  test(`a model that takes no form of answer, as ${server} says it, is told of it in words`, async (t) => {
    const refusal = { status: 400, body: JSON.stringify({ error: { message, type: 'invalid_request_error' } }) };
    const { provider, sent } = await answering(t, openaiDialect, [
      refusal,
      openaiDialect.text('{}') + openaiDialect.end(),
    ]);
    const messages: ChatMessage[] = [{ role: 'system', content: 'x' }, ...TURN.slice(0, 1)];
    const { all } = await collect(provider.chat(callOf({ messages, response_format: BY_SCHEMA })));
    assert.equal(all[0]?.note, undefined, 'the answer is checked: nothing is missed');
    const [first, second] = sent();
    assert.deepEqual([first.response_format, first.messages[0].content], [BY_SCHEMA, 'x']);
    assert.equal(second.response_format, undefined);
    assert.ok(second.messages[0].content.startsWith('x\n\nAnswer with nothing but JSON'));
    assert.ok(second.messages[0].content.includes(JSON.stringify(schema)));
  });
}

test('JSON is spoken of where an object is asked for, once', async (t) => {
  const { provider, sent } = await answering(t, openaiDialect, [openaiDialect.text('{}') + openaiDialect.end()]);
  const response_format = { type: 'json_object' } as const;
  await collect(provider.chat(callOf({ response_format })));
  await collect(provider.chat(callOf({ response_format, messages: [{ role: 'user', content: 'As json.' }] })));
  assert.deepEqual(
    sent().map(({ messages }) => messages.map(({ role }: ChatMessage) => role)),
    [['system', 'user'], ['user']],
  );
});

test('what a model never takes is remembered, what it does not take of one call is not', async (t) => {
  const refuse = (message: string) => ({ status: 400, body: JSON.stringify({ error: { message } }) });
  const well = openaiDialect.text('{}') + openaiDialect.end();
  for (const [message, call, field, isRemembered] of [
    [
      "Unsupported value: 'temperature' does not support 0.2 with this model.",
      { temperature: 0.2 },
      'temperature',
      true,
    ],
    ["Unsupported parameter: 'seed' is not supported.", { seed: 1 }, 'seed', true],
    ["Unsupported parameter: 'tools' is not supported with this model.", { tools }, 'tools', true],
    [
      "Invalid schema for response_format 'x': 'oneOf' is not permitted.",
      { response_format: BY_SCHEMA },
      'response_format',
      false,
    ],
    [
      "This model does not support 'minimal' of reasoning_effort: supported values are low.",
      { reasoning_effort: 'minimal' },
      'reasoning_effort',
      false,
    ],
    ['this tool_choice is not supported', { tools, tool_choice: 'required' }, 'tool_choice', false],
    ["top_k: unexpected value 'a'", { extra: { top_k: 'a' } }, 'top_k', false],
  ] as const) {
    const { provider, sent } = await answering(t, openaiDialect, [refuse(message), well]);
    for (let time = 1; time <= 2; time++)
      assert.equal(
        (await collect(provider.chat(callOf({ ...call, tools: 'tools' in call ? [...tools] : undefined })))).text,
        '{}',
      );
    const has = sent().map((body) => field in body);
    assert.deepEqual(has, [true, false, !isRemembered], message);
  }
});

test('a call that its model failed to make is a failure, tried again', async (t) => {
  const told = { error: { message: 'Failed to call a function.', code: 'tool_use_failed', failed_generation: '<' } };
  const { provider } = await answering(t, openaiDialect, [{ status: 400, body: JSON.stringify(told) }]);
  const error = await failureOf(collect(provider.chat(callOf({ tools }))));
  assert.deepEqual([error.code, error.away], ['provider_busy', false]);
});

test('what is wrong with one function is told to its client, and no other call goes without functions for it', async (t) => {
  for (const error of [
    { message: "Invalid 'tools[0].function.name': unexpected character", param: 'tools[0].function.name' },
    { detail: [{ loc: ['body', 'tools', 0, 'function', 'x'], msg: 'Extra inputs are not permitted' }] },
    { message: "Keyword '$ref' is not supported in tools" },
  ]) {
    const refusal = { status: 400, body: JSON.stringify('detail' in error ? error : { error }) };
    const { provider, sent } = await answering(t, openaiDialect, [
      refusal,
      openaiDialect.text('a') + openaiDialect.end(),
    ]);
    const refused = await failureOf(collect(provider.chat(callOf({ tools }))));
    assert.deepEqual(
      [refused.code, /the value of tools/.test(refused.message)],
      ['provider_refused', true],
      refused.message,
    );
    await collect(provider.chat(callOf({ tools })));
    assert.equal('tools' in sent()[1], true);
  }
});

test('a model that may call nothing, and knows no word for that, is told of no function', async (t) => {
  const refusal = { status: 400, body: JSON.stringify({ error: { message: 'this tool_choice is not supported' } }) };
  const { provider, sent } = await answering(t, openaiDialect, [
    refusal,
    openaiDialect.text('a') + openaiDialect.end(),
  ]);
  const { all } = await collect(provider.chat(callOf({ tools, tool_choice: 'none' })));
  assert.deepEqual(['tools' in sent()[1], all[0]?.note], [false, undefined]);
});

const THOUGHT = TURN.map((message) => (message.tool_calls ? { ...message, reasoning: 'Paris first.' } : message));
for (const [server, message, wanted] of [
  [
    'DeepSeek',
    'Missing `reasoning_content` field in the assistant message at message index 1.',
    (said: Record<string, unknown>) => said.reasoning_content === 'Paris first.',
  ],
  [
    'DeepSeek of later',
    'The "reasoning_content" in the thinking mode must be passed back to the API.',
    (said: Record<string, unknown>) => said.reasoning_content === 'Paris first.',
  ],
  [
    'Gemini',
    'Function call is missing a thought_signature in functionCall parts.',
    (said: Record<string, unknown>) => JSON.stringify(said.tool_calls).includes('thought_signature'),
  ],
] as const) {
  test(`what ${server} wants back of calls is given from its first refusal on, and to no other`, async (t) => {
    const refusal = { status: 400, body: JSON.stringify({ error: { message } }) };
    const well = openaiDialect.text('a') + openaiDialect.end();
    const { provider, sent } = await answering(t, openaiDialect, [refusal, well]);
    for (const model of ['m', 'm', 'other']) await collect(provider.chat(callOf({ model, tools, messages: THOUGHT })));
    assert.deepEqual(
      sent().map(({ messages }) => wanted(messages[1])),
      [false, true, true, false],
    );
    assert.ok(sent().every(({ messages }) => !('reasoning' in messages[1])));
    const { provider: never, sent: asked } = await answering(t, openaiDialect, [refusal, refusal, refusal]);
    const error = await failureOf(collect(never.chat(callOf({ tools, messages: THOUGHT }))));
    assert.deepEqual([error.code, asked().length], ['provider_refused', 2]);
  });
}

test('what Ollama does not take is told by the name that the client gave it', async (t) => {
  const refusal = { status: 400, body: JSON.stringify({ error: '"smol" does not support thinking' }) };
  const { provider, sent } = await answering(t, ollamaDialect, [
    refusal,
    ollamaDialect.text('a') + ollamaDialect.end(),
  ]);
  const { all } = await collect(provider.chat(callOf({ reasoning_effort: 'high' })));
  assert.match(all[0]?.note ?? '', /does not take reasoning_effort:/);
  assert.deepEqual(
    sent().map(({ think }) => think),
    ['high', undefined],
  );
});

test('a parameter of their own that a server refuses is left out and told, whatever its name', async (t) => {
  const refusal = { status: 400, body: JSON.stringify({ error: { message: 'Unknown parameter: a(b', param: 'a(b' } }) };
  const { provider, sent } = await answering(t, openaiDialect, [
    refusal,
    openaiDialect.text('a') + openaiDialect.end(),
  ]);
  const { all } = await collect(provider.chat(callOf({ extra: { 'a(b': 1, top_k: 2 } })));
  assert.match(all[0]?.note ?? '', /does not take a\(b:/);
  assert.deepEqual([sent()[1].top_k, 'a(b' in sent()[1]], [2, false]);
});
