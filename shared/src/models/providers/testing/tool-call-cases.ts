/** Calls of functions, byte for byte as model servers stream them, and what is to come of each. */
import { type AnswerCase, answer, completes, sse } from './answer-case.ts';

/** `calls`: name and arguments. `id`: that of the server's, in the order of calls; null where it gives none. */
export type ToolCallCase = {
  name: string;
  body: string;
  calls: [name: string, given: unknown][];
  ids?: (string | null)[];
  text?: string;
  finish?: string;
  ending?: AnswerCase['http']['ending'];
};

const chunk = (delta: unknown, finish_reason: string | null = null) => ({
  ...{ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm-1' },
  choices: [{ index: 0, delta, finish_reason }],
});
const calling = (...tool_calls: unknown[]) => chunk({ tool_calls });
const USED = { choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } };
const PARIS: ToolCallCase['calls'][number] = ['weather', { city: 'Paris' }];
const SEOUL: ToolCallCase['calls'][number] = ['weather', { city: '서울' }];
const paris = '{"city":"Paris"}';
const seoul = '{"city":"서울"}';
const whole = (id: string | undefined, given: unknown, more: object = {}) => ({
  ...(id === undefined ? {} : { id }),
  ...{ type: 'function', function: { name: 'weather', arguments: given } },
  ...more,
});

export const openaiToolCalls: ToolCallCase[] = [
  {
    name: 'OpenAI: the id first, arguments in pieces, two calls one after the other',
    body: sse(
      chunk({ role: 'assistant', content: null }),
      calling({ index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '' } }),
      calling({ index: 0, function: { arguments: '{"ci' } }),
      calling({ index: 0, function: { arguments: 'ty":"Paris"}' } }),
      calling({ index: 1, id: 'call_b', type: 'function', function: { name: 'weather', arguments: '' } }),
      calling({ index: 1, function: { arguments: seoul } }),
      chunk({}, 'tool_calls'),
      USED,
      '[DONE]',
    ),
    calls: [PARIS, SEOUL],
    ids: ['call_a', 'call_b'],
  },
  {
    name: 'vLLM: the name again as null, the end says stop',
    body: sse(
      chunk({ role: 'assistant', content: '' }),
      calling({ index: 0, id: 'chatcmpl-tool-1', type: 'function', function: { name: 'weather' } }),
      calling({ index: 0, id: null, type: null, function: { name: null, arguments: '{"city": ' } }),
      calling({ index: 0, function: { arguments: '"Paris"}' } }),
      chunk({ content: '' }, 'stop'),
      '[DONE]',
    ),
    calls: [PARIS],
    ids: ['chatcmpl-tool-1'],
  },
  {
    name: 'vLLM of old: an id anew in each piece',
    body: sse(
      calling({ index: 0, id: 'a', function: { name: 'weather', arguments: '' } }),
      calling({ index: 0, id: 'b', function: { arguments: '{"city":' } }),
      calling({ index: 0, id: 'c', function: { arguments: '"Paris"}' } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS],
    ids: ['a'],
  },
  {
    name: 'Gemini: every call whole, all of them number 0',
    body: sse(
      calling(whole('function-call-1', paris, { index: 0 })),
      calling(whole('function-call-2', seoul, { index: 0 })),
      chunk({}, 'stop'),
      '[DONE]',
    ),
    calls: [PARIS, SEOUL],
    ids: ['function-call-1', 'function-call-2'],
  },
  {
    name: 'Gemini of old: neither numbers nor ids, several in one piece',
    body: sse(calling(whole(undefined, paris), whole('', seoul)), chunk({}, 'stop'), '[DONE]'),
    calls: [PARIS, SEOUL],
    ids: [null, null],
  },
  {
    name: 'Mistral: all calls whole in the piece that ends the answer',
    body: sse(
      chunk({ role: 'assistant', content: '' }),
      chunk(
        { tool_calls: [whole('D681PevKs', paris, { index: 0 }), whole('F4kTd9sQx', seoul, { index: 1 })] },
        'tool_calls',
      ),
      '[DONE]',
    ),
    calls: [PARIS, SEOUL],
    ids: ['D681PevKs', 'F4kTd9sQx'],
  },
  {
    name: 'llama.cpp: arguments letter by letter, quotes and braces within them',
    body: sse(
      calling({ index: 0, id: 'x', type: 'function', function: { name: 'weather', arguments: '{' } }),
      ...[...'"city":"}{\\"\\\\"}'].map((letter) => calling({ index: 0, function: { arguments: letter } })),
      chunk({}, 'tool_calls'),
      '[DONE]',
    ),
    calls: [['weather', { city: '}{"\\' }]],
    ids: ['x'],
  },
  {
    name: 'DeepSeek: a name alone, then nothing: no arguments',
    body: sse(
      calling({ index: 0, id: 'x', type: 'function', function: { name: 'now', arguments: '' } }),
      chunk({ content: '' }, 'tool_calls'),
    ),
    calls: [['now', {}]],
    ids: ['x'],
  },
  {
    name: 'LiteLLM: an empty object first, which is a place for the arguments',
    body: sse(
      calling({ index: 0, id: 'x', function: { name: 'weather', arguments: '{}' } }),
      calling({ index: 0, function: { arguments: '{"city":' } }),
      calling({ index: 0, function: { arguments: '"Paris"}' } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS],
  },
  {
    name: 'Groq: words, then one whole call',
    body: sse(chunk({ content: 'I look.' }), calling(whole('call_1', paris, { index: 0 })), chunk({}, 'tool_calls')),
    calls: [PARIS],
    text: 'I look.',
  },
  {
    name: 'Ollama: all numbers 0, its own ids, and done with stop',
    body: sse(
      chunk({
        role: 'assistant',
        content: '',
        tool_calls: [whole('call_1', paris, { index: 0 }), whole('call_2', seoul, { index: 0 })],
      }),
      chunk({ role: 'assistant', content: '' }, 'stop'),
      '[DONE]',
    ),
    calls: [PARIS, SEOUL],
    ids: ['call_1', 'call_2'],
  },
  {
    name: 'arguments as an object',
    body: sse(calling(whole('x', { city: 'Paris' }, { index: 0 })), chunk({}, 'tool_calls')),
    calls: [PARIS],
  },
  {
    name: 'the name in each piece, no id',
    body: sse(
      calling({ index: 0, function: { name: 'weather', arguments: '{"city"' } }),
      calling({ index: 0, function: { name: 'weather', arguments: ':"Paris"}' } }),
      calling({ index: 0, function: { name: 'weather', arguments: seoul } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS, SEOUL],
    ids: [null, null],
  },
  {
    name: 'an id and the name anew in each piece',
    body: sse(
      calling({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city"' } }),
      calling({ index: 0, id: 'b', function: { name: 'weather', arguments: ':"Paris"}' } }),
      calling({ index: 0, id: 'c', function: { name: 'weather', arguments: seoul } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS, SEOUL],
    ids: ['a', 'c'],
  },
  {
    name: 'no numbers: a piece without a name belongs to the last call',
    body: sse(
      calling({ id: 'a', function: { name: 'weather', arguments: '{"city":' } }),
      calling({ function: { arguments: '"Paris"}' } }),
      calling({ id: 'b', function: { name: 'weather', arguments: '' } }),
      calling({ id: 'b', function: { arguments: seoul } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS, SEOUL],
    ids: ['a', 'b'],
  },
  {
    name: 'numbers that begin at 1, and pieces of two calls in turns',
    body: sse(
      calling({ index: 1, id: 'a', function: { name: 'weather', arguments: '{"city":' } }),
      calling({ index: 2, id: 'b', function: { name: 'weather', arguments: '{"city":' } }),
      calling({ index: 1, function: { arguments: '"Paris"}' } }, { index: 2, function: { arguments: '"서울"}' } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS, SEOUL],
    ids: ['a', 'b'],
  },
  {
    name: 'one id for all calls, which only their numbers tell apart, and one without a name',
    body: sse(
      calling({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":"Paris"}' } }),
      calling({ index: 1, id: 'b', function: { name: '', arguments: '{}' } }),
      calling({ index: 2, id: 'a', function: { name: 'weather', arguments: '{"city":' } }),
      calling({ index: 2, id: 'a', function: { arguments: '"서울"}' } }),
      chunk({}, 'tool_calls'),
    ),
    calls: [PARIS, SEOUL],
    ids: ['a', null],
  },
  {
    name: 'the whole call once more at its end, and all calls once more as a message',
    body: sse(
      calling({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":"Paris' } }),
      calling({ index: 0, function: { arguments: '"}' } }),
      calling(whole('a', paris, { index: 0 })),
      { choices: [{ index: 0, message: { content: null, tool_calls: [whole('a', paris)] }, finish_reason: 'stop' }] },
    ),
    calls: [PARIS],
    ids: ['a'],
  },
  {
    name: 'the form of old: one call under a name of its own',
    body: sse(
      chunk({ function_call: { name: 'weather', arguments: '' } }),
      chunk({ function_call: { arguments: paris } }),
      chunk({}, 'function_call'),
    ),
    calls: [PARIS],
    ids: [null],
  },
  {
    name: 'whole JSON instead of a stream',
    body: JSON.stringify({
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: null, tool_calls: [whole('a', paris), whole('b', seoul)] },
          finish_reason: 'tool_calls',
        },
      ],
      usage: USED.usage,
    }),
    calls: [PARIS, SEOUL],
    ids: ['a', 'b'],
  },
  {
    name: 'a stream that ends behind a whole call without saying so',
    body: sse(calling(whole('a', paris, { index: 0 }))),
    calls: [PARIS],
  },
  {
    name: 'no room for the rest of a call',
    body: sse(
      calling({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":' } }),
      chunk({}, 'length'),
    ),
    calls: [['weather', '{"city":']],
    finish: 'length',
  },
];

/** The same as answers that tasks get. */
export const called: AnswerCase[] = openaiToolCalls.map(({ name, body, text = '', finish = 'tool_calls' }) =>
  completes(name, answer(body), { content: text, output: { finish_reason: finish } }),
);

const line = (message: object, more: object = {}) =>
  `${JSON.stringify({ model: 'm-1', message: { role: 'assistant', content: '', ...message }, done: false, ...more })}\n`;
const done = line({}, { done: true, done_reason: 'stop', prompt_eval_count: 5, eval_count: 3 });

export const ollamaToolCalls: ToolCallCase[] = [
  {
    name: 'Ollama of today: an id and a number of its own',
    body:
      line({ tool_calls: [{ id: 'call_1', function: { index: 0, name: 'weather', arguments: { city: 'Paris' } } }] }) +
      line({ tool_calls: [{ id: 'call_2', function: { index: 1, name: 'weather', arguments: { city: '서울' } } }] }) +
      done,
    calls: [PARIS, SEOUL],
    ids: ['call_1', 'call_2'],
  },
  {
    name: 'Ollama of old: neither',
    body:
      line({ content: 'I look.' }) +
      line({
        tool_calls: [
          { function: { name: 'weather', arguments: { city: 'Paris' } } },
          { function: { name: 'weather', arguments: { city: '서울' } } },
          { function: { name: 'now', arguments: {} } },
        ],
      }) +
      done,
    calls: [PARIS, SEOUL, ['now', {}]],
    ids: [null, null, null],
    text: 'I look.',
  },
];
