import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ChatMessage, ContentPart, ToolCall } from '../provider.ts';
import { conversation, withoutRefused } from './conversation.ts';
import { ProviderRefusal } from './providers/answer-error.ts';
import { assertForm, choices } from './testing/conversations.ts';

const user = (content: ChatMessage['content'], earlier?: true): ChatMessage => ({
  ...{ role: 'user', content },
  ...(earlier ? { earlier } : {}),
});
const assistant = (content: string, earlier?: true): ChatMessage => ({
  ...{ role: 'assistant', content },
  ...(earlier ? { earlier } : {}),
});
const system = (content: ChatMessage['content']): ChatMessage => ({ role: 'system', content });
const picture: ContentPart = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
const said = (text: string): ContentPart => ({ type: 'text', text });
const called = (id: string, given = '{}', name = 'f'): ToolCall => ({
  ...{ id, type: 'function', function: { name, arguments: given } },
});
const calls = (content: string, ...tool_calls: ToolCall[]): ChatMessage => ({ role: 'assistant', content, tool_calls });
const result = (tool_call_id: string | undefined, content: ChatMessage['content'] = `of ${tool_call_id}`) =>
  ({ role: 'tool', content, tool_call_id }) as const;
const lines = (messages: ChatMessage[]) =>
  messages.map(({ role, content, tool_calls, tool_call_id }) => {
    const made = (tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ` ${id}=${name}${given}`);
    const said = typeof content === 'string' ? content : JSON.stringify(content);
    return `${role}${tool_call_id ? `(${tool_call_id})` : ''}: ${said}${made.join('')}`;
  });

for (const [what, given, sent] of [
  ['a plain one is sent as it is', [user('a'), assistant('b'), user('c')], ['user: a', 'assistant: b', 'user: c']],
  [
    'system messages are one, and come first',
    [system('x'), user('a'), system([said('y')]), assistant('b'), user('c')],
    ['system: x\n\ny', 'user: a', 'assistant: b', 'user: c'],
  ],
  [
    'an earlier question without an answer is not asked together with the new one',
    [user('a', true), user('b', true), user('c')],
    ['user: a\n\nb', 'assistant: [no answer]', 'user: c'],
  ],
  ['what one says in pieces is one message', [user('a'), user('b')], ['user: a\n\nb']],
  [
    'two answers to one question are one',
    [user('a', true), assistant('b', true), assistant('c', true), user('d')],
    ['user: a', 'assistant: b\n\nc', 'user: d'],
  ],
  [
    "an assistant's greeting follows a sign of what came before",
    [assistant('hi'), user('a')],
    ['user: […]', 'assistant: hi', 'user: a'],
  ],
  [
    "after an assistant's last word it is told to go on",
    [user('a'), assistant('b')],
    ['user: a', 'assistant: b', 'user: Go on.'],
  ],
  ['without anybody but the system it is told to begin', [system('x')], ['system: x', 'user: Go on.']],
  ['empty messages are left out', [user(''), assistant(' \n', true), user('a'), system('')], ['user: a']],
  ['nothing at all is still a question', [user('')], ['user: Go on.']],
  ['parts of text alone are one text', [user([said('a'), said('b')])], ['user: a\nb']],
  [
    "instructions of a developer are the system's",
    [system('x'), { role: 'developer', content: 'y' }, user('a')],
    ['system: x\n\ny', 'user: a'],
  ],
  [
    'calls and their results stay together, in the order of the calls',
    [user('a'), calls('', called('1'), called('2')), result('2'), result('1')],
    ['user: a', 'assistant:  1=f{} 2=f{}', 'tool(1): of 1', 'tool(2): of 2'],
  ],
  [
    'a result that came after other words stands by its call',
    [user('a'), calls('b', called('1')), user('c'), assistant('d'), result('1'), user('e')],
    [
      ...['user: a', 'assistant: b 1=f{}', 'tool(1): of 1', 'assistant: [no answer]', 'user: c', 'assistant: d'],
      'user: e',
    ],
  ],
  [
    'a call without its result has none',
    [user('a'), calls('', called('1')), user('b')],
    ['user: a', 'assistant:  1=f{}', 'tool(1): [no result]', 'assistant: [no answer]', 'user: b'],
  ],
  [
    "a result without its call is the user's text",
    [result('1'), user('a'), assistant('b'), result(undefined)],
    ['user: [result of a function]\nof 1\n\na', 'assistant: b', 'user: [result of a function]\nof undefined'],
  ],
  [
    'a second result of a call is one without a call',
    [user('a'), calls('', called('1')), result('1'), result('1', 'more')],
    [
      ...['user: a', 'assistant:  1=f{}', 'tool(1): of 1', 'assistant: [no answer]'],
      'user: [result of a function]\nmore',
    ],
  ],
  [
    'results without ids are those of the calls before them',
    [user('a'), calls('', called('1'), called('2')), result(undefined, 'x'), result(undefined, 'y')],
    ['user: a', 'assistant:  1=f{} 2=f{}', 'tool(1): x', 'tool(2): y'],
  ],
  [
    'ids that come again, in a message or in a later one, are told apart',
    [
      ...[user('a'), calls('', called('1'), called('1'), called('')), result('1', 'x'), result('1', 'y')],
      ...[result('', 'z'), calls('', called('1')), result('1', 'v')],
    ],
    [
      ...['user: a', 'assistant:  1=f{} 1_1=f{} call_2=f{}', 'tool(1): x', 'tool(1_1): y', 'tool(call_2): z'],
      ...['assistant:  1=f{}', 'tool(1): v'],
    ],
  ],
  [
    'arguments that are no object, and names that are none, are brought into a form that servers read',
    [user('a'), calls('', called('1', 'x', 'a b'), called('2', ' ', ''), called('3', '[1]')), result('1', ' ')],
    [
      'user: a',
      'assistant:  1=a_b{"arguments":"x"} 2=unknown{} 3=f{"arguments":"[1]"}',
      ...['tool(1): [empty]', 'tool(2): [no result]', 'tool(3): [no result]'],
    ],
  ],
  [
    'a picture that a function gave is left out',
    [user('a'), calls('', called('1')), result('1', [picture])],
    ['user: a', 'assistant:  1=f{}', 'tool(1): [a picture, left out]'],
  ],
  ['half letters are none, and all others stay', [user('a\ud83e\0b')], ['user: a\ufffd\0b']],
] as const) {
  test(`of a conversation ${what}`, () => {
    assert.deepEqual(lines(conversation([...given])), sent);
  });
}

test('of a conversation pictures stay where they are, beside or without a text', () => {
  assert.deepEqual(conversation([user([picture]), user('b'), user([said(''), picture])]), [
    { role: 'user', content: [picture, said('b'), picture] },
  ]);
  assert.deepEqual(conversation([user([picture])]), [{ role: 'user', content: [picture] }]);
});

const CONTENTS = [
  '',
  ' ',
  'a',
  'b\n',
  '\ud83e',
  '\0',
  '🫘',
  [picture],
  [said('')],
  [said('c'), picture],
  [said('d')],
] as const;

describe('every conversation', () => {
  for (let seed = 1; seed <= 20; seed++) {
    test(`that is made at random, by ${seed}, is sent in the form that every model takes`, () => {
      const { next, pick } = choices(seed);
      for (let round = 0; round < 500; round++) {
        const count = Math.floor(next() * 12);
        const earlier = Math.floor(next() * (count + 1));
        const given = Array.from({ length: count }, (_, at): ChatMessage => {
          const content = pick(CONTENTS);
          const role = pick(['system', 'developer', 'user', 'assistant', 'assistant', 'tool', 'tool'] as const);
          const made = Array.from({ length: Math.floor(next() * 3) }, () =>
            called(
              pick(['', 'a', 'b', 'c']),
              pick(['', '{}', '{"a":1}', '{"a', '\ud83e']),
              pick(['f', '', 'ㄱ', 'x'.repeat(80)]),
            ),
          );
          return {
            role,
            content: typeof content === 'string' ? content : [...content],
            ...(at < earlier ? { earlier: true } : {}),
            ...(role === 'assistant' ? { tool_calls: made } : {}),
            ...(role === 'tool' ? { tool_call_id: pick([undefined, '', 'a', 'b', 'c']) } : {}),
          };
        });
        const sent = conversation(given);
        assertForm(sent);
        assert.ok(sent.every((message) => !('earlier' in message)));
        const pictures = (messages: ChatMessage[]) => JSON.stringify(messages).split('image_url":{').length;
        const shown = given.filter(({ role }) => role !== 'tool');
        assert.ok(pictures(sent) >= pictures(shown), 'no picture is lost');
        assert.deepEqual(conversation(sent), sent, 'what is sent is in that form already');
      }
    });
  }
});

const refusal = (reason: ProviderRefusal['reason']) => new ProviderRefusal('refused', { reason });

test('of what was said earlier a model that refuses it gets nothing, and of pictures their places', () => {
  const messages = [system('x'), user([picture], true), assistant('b', true), user('c')];
  assert.deepEqual(lines(withoutRefused(messages, refusal('context'))?.messages ?? []), ['system: x', 'user: c']);
  for (const reason of ['filter', 'request'] as const)
    assert.deepEqual(lines(withoutRefused(messages, refusal(reason))?.messages ?? []), ['system: x', 'user: c']);
  const shown = withoutRefused(messages, refusal('image'))?.messages ?? [];
  assert.deepEqual(shown[1]?.content, [said('[a picture, left out]')]);
  assert.equal(withoutRefused(shown, refusal('image')), undefined);
});

test('a model that refuses calls and results is told of them in words, and only then without the past', () => {
  const messages = [
    user('a', true),
    { ...calls('b', called('1')), earlier: true as const },
    result('1', 'c'),
    user('d'),
  ];
  const told = withoutRefused(messages, refusal('request'));
  assert.match(told?.note ?? '', /in words/);
  assert.deepEqual(lines(conversation(told?.messages ?? [])), [
    ...[
      'user: a',
      'assistant: b\n[calls f {}]',
      'user: [result of a function]\nc',
      'assistant: [no answer]',
      'user: d',
    ],
  ]);
  const less = withoutRefused(told?.messages ?? [], refusal('request'));
  assert.deepEqual(lines(less?.messages ?? []), ['user: d']);
});

test('a refusal of what is asked now, or for another reason, is one', () => {
  const messages = [user('a', true), user([picture])];
  assert.equal(withoutRefused(messages, refusal('image')), undefined);
  for (const reason of ['key', 'quota', 'model', 'parameter', 'value', 'other'] as const)
    assert.equal(withoutRefused(messages, refusal(reason)), undefined);
  assert.equal(withoutRefused([user('c')], refusal('context')), undefined);
  assert.equal(withoutRefused(messages, new Error('another')), undefined);
});
