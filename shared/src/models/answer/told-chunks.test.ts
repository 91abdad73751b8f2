/** What models put into the text of an answer is told apart, whatever the pieces it comes in. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collect } from '../../../../scripts/testing/dialects.ts';
import type { ChatChunk, ChatTool, ToolCall } from '../../provider.ts';
import { addToolCalls } from '../tool-calls.ts';
import { toldChunks } from './told-chunks.ts';

const tool = (name: string): ChatTool => ({ type: 'function', function: { name } });
const TOOLS = [tool('weather'), tool('now')];

/** The chunks of a text in pieces of a size, and how it ended. */
async function* inPieces(text: string, size: number, finishReason?: string): AsyncGenerator<ChatChunk> {
  for (let at = 0; at < text.length; at += size) yield { text: text.slice(at, at + size) };
  if (finishReason) yield { text: '', finishReason };
}

async function told(chunks: AsyncIterable<ChatChunk>, request: Parameters<typeof toldChunks>[1] = {}) {
  const { all, text } = await collect(toldChunks(chunks, request));
  const calls: ToolCall[] = [];
  for (const { toolCalls } of all) addToolCalls(calls, toolCalls);
  for (const { id } of calls) assert.match(id, /^\w{9}$/);
  return {
    text,
    reasoning: all.map(({ reasoning = '' }) => reasoning).join(''),
    calls: calls.map(({ function: { name, arguments: given } }) => `${name}${given}`),
    finish: all.findLast(({ finishReason }) => finishReason)?.finishReason,
  };
}

type Told = Awaited<ReturnType<typeof told>>;
/** The same for every size of the pieces, with an end that is told and one that is not. */
async function check(
  given: string,
  expected: Partial<Told>,
  request: Parameters<typeof toldChunks>[1],
  ends: (string | undefined)[],
) {
  const whole = { text: '', reasoning: '', calls: [], ...expected };
  for (const end of ends) {
    const finish = whole.calls.length > 0 ? 'tool_calls' : end;
    for (let size = 1; size <= given.length; size++)
      assert.deepEqual(await told(inPieces(given, size, end), request), { ...whole, finish }, `in pieces of ${size}`);
  }
}

describe('thoughts at the beginning', () => {
  for (const [what, given, expected] of [
    ['are no text', '<think>\nhm\n</think>\n\nyes', { reasoning: '\nhm\n', text: 'yes' }],
    ['are so under every name', ' <THINKING>hm</thinking>yes', { reasoning: 'hm', text: 'yes' }],
    ['may be none', '<think></think>yes', { text: 'yes' }],
    ['may hold what looks like their end', '<think>a </thin b</think>yes', { reasoning: 'a </thin b', text: 'yes' }],
    ['that come later are text', 'well <think>hm</think>', { text: 'well <think>hm</think>' }],
    ['come once', '<think>a</think><think>b</think>', { reasoning: 'a', text: '<think>b</think>' }],
    ['are not all that looks like them', '<thin>k', { text: '<thin>k' }],
    ['are told by their whole mark', '<thi', { text: '<thi' }],
    ['keep what is in the answer', '<think>a</think>  b\n c ', { reasoning: 'a', text: 'b\n c ' }],
    ['that have no end are the text after all', '<think>a', { reasoning: 'a', text: '<think>a' }],
  ] as [string, string, Partial<Told>][]) {
    test(what, () => check(given, expected, {}, ['stop', undefined]));
  }
  test('that found no room for their end are no text', () =>
    check('<think>a </thi', { reasoning: 'a </thi' }, {}, ['length']));
});

const call = '{"name": "weather", "arguments": {"city": "서울"}}';
const called = 'weather{"city":"서울"}';
describe('a call that a model writes', () => {
  for (const [what, given, expected] of [
    ['between tags is one', `<tool_call>\n${call}\n</tool_call>`, { calls: [called] }],
    ['may follow words', `I look.\n<tool_call>${call}</tool_call>\n`, { text: 'I look.\n', calls: [called] }],
    [
      'may be followed by others',
      `<tool_call>${call}</tool_call>\n<tool_call>{"name":"now"}</tool_call>`,
      { calls: [called, 'now{}'] },
    ],
    ['may lack its end', `<tool_call>${call}`, { calls: [called] }],
    [
      'may have arguments as a text',
      '<tool_call>{"name":"now","arguments":"{\\"a\\":1}"}</tool_call>',
      { calls: ['now{"a":1}'] },
    ],
    ['may be all that it writes', call, { calls: [called] }],
    ['may stand in a fence', `\`\`\`json\n${call}\n\`\`\``, { calls: [called] }],
    ['may be one of a list', `[${call}, {"name":"now","parameters":{}}]`, { calls: [called, 'now{}'] }],
    ['may have a function around it', `{"type":"function","function":${call}}`, { calls: [called] }],
    [
      'comes after its thoughts',
      `<think>hm</think><tool_call>${call}</tool_call>`,
      { reasoning: 'hm', calls: [called] },
    ],
  ] as [string, string, Partial<Told>][]) {
    test(what, () => check(given, expected, { tools: TOOLS }, ['stop', undefined]));
  }
});

describe('text it stays', () => {
  for (const [what, given] of [
    ['of a function that was not offered', '<tool_call>{"name":"other","arguments":{}}</tool_call>'],
    ['that is no JSON', 'a <tool_call>weather Paris</tool_call> b'],
    ['that only names a function', '{"name":"weather"}'],
    ['that is other JSON', '{"city": "Paris"}'],
    ['in a fence of code', '```python\nprint({"name": "weather"})\n```'],
    ['with words behind a call in JSON', `${call} is what I would call.`],
    ['that begins like a tag', 'a <tool_c'],
    ['with a tag within', 'a <tool_calls> b < c'],
    ['that is a list of numbers', '[1, 2]'],
  ] as const) {
    test(what, () => check(given, { text: given }, { tools: TOOLS }, ['stop', undefined]));
  }
  test('when nothing was offered, or nothing may be called', async () => {
    const text = `<tool_call>${call}</tool_call>`;
    await check(text, { text }, {}, ['stop']);
    await check(text, { text }, { tools: TOOLS, tool_choice: 'none' }, ['stop']);
  });
  test('comes as it is written, not at its end', async () => {
    const { all } = await collect(toldChunks(inPieces('one two <b', 4), { tools: TOOLS }));
    assert.deepEqual(
      all.map(({ text }) => text),
      ['one ', 'two ', '<b'],
    );
  });
});

test('calls that the server read come before those that are written, and at most one where no more are allowed', async () => {
  async function* chunks(): AsyncGenerator<ChatChunk> {
    yield { text: `<tool_call>${call}</tool_call>`.slice(0, 20) };
    yield { text: '', toolCalls: [{ index: 0, id: 'aaaaaaaaa', name: 'now', arguments: '{}' }] };
    yield { text: `<tool_call>${call}</tool_call>`.slice(20) };
    yield { text: '', finishReason: 'length' };
  }
  const all = await told(chunks(), { tools: TOOLS });
  assert.deepEqual([all.calls, all.finish], [['now{}', called], 'length']);
  const one = await told(chunks(), { tools: TOOLS, parallel_tool_calls: false });
  assert.deepEqual(one.calls, ['now{}']);
});
