import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ChatMessage, ContentPart } from '../provider.ts';
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
const lines = (messages: ChatMessage[]) =>
  messages.map(({ role, content }) => `${role}: ${typeof content === 'string' ? content : JSON.stringify(content)}`);

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
          const role = pick(['system', 'user', 'assistant'] as const);
          return {
            role,
            content: typeof content === 'string' ? content : [...content],
            ...(at < earlier ? { earlier: true } : {}),
          };
        });
        const sent = conversation(given);
        assertForm(sent);
        assert.ok(sent.every((message) => !('earlier' in message)));
        const pictures = (messages: ChatMessage[]) => JSON.stringify(messages).split('image_url":{').length;
        assert.equal(pictures(sent), pictures(given), 'no picture is lost');
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

test('a refusal of what is asked now, or for another reason, is one', () => {
  const messages = [user('a', true), user([picture])];
  assert.equal(withoutRefused(messages, refusal('image')), undefined);
  for (const reason of ['key', 'quota', 'model', 'parameter', 'value', 'other'] as const)
    assert.equal(withoutRefused(messages, refusal(reason)), undefined);
  assert.equal(withoutRefused([user('c')], refusal('context')), undefined);
  assert.equal(withoutRefused(messages, new Error('another')), undefined);
});
