import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withUnkept } from './read-session.ts';
import type { Message } from './session.ts';
import { messageJson } from './session-view.ts';

/** Messages by their ids, one letter each: ids sort as a conversation goes. */
const message = (id: string): Message => ({
  id,
  role: 'user',
  content: JSON.stringify(id),
  text: id,
  model: null,
  usage: null,
  metadata: '{}',
  task: null,
  createdAt: 0,
});
const all = (ids: string) => [...ids].map(message);

/** The store's page (`…` before it: there are older ones), what it lacks, what was asked for, and what the reader gets. */
const TABLE: [kept: string, unkept: string, limit: number, before: string | null, page: string, added: string][] = [
  ['', '', 5, null, '', ''],
  ['abc', '', 5, null, 'abc', ''],
  ['', 'ab', 5, null, 'ab', 'ab'],
  ['abc', 'de', 5, null, 'abcde', 'de'],
  ['abc', 'cd', 5, null, 'abcd', 'd'],
  ['abc', 'abc', 5, null, 'abc', ''],
  ['acd', 'be', 5, null, 'abcde', 'be'],
  ['abc', 'de', 3, null, '…cde', 'de'],
  ['', 'abcd', 2, null, '…cd', 'abcd'],
  ['…cde', 'f', 3, null, '…def', 'f'],
  // Those before the page stand on an older one.
  ['…cde', 'b', 3, null, '…cde', ''],
  ['…cde', 'bdf', 5, null, '…cdef', 'f'],
  ['abc', 'xyz', 3, 'd', 'abc', ''],
  ['ab', 'cx', 3, 'd', 'abc', 'c'],
  ['…b', 'ac', 3, 'd', '…bc', 'c'],
];

for (const [kept, unkept, limit, before, page, added] of TABLE) {
  test(`the store has "${kept}", ended tasks said "${unkept}": ${limit} before ${before ?? 'now'} are "${page}"`, () => {
    const messages = all(kept.replace('…', '')).map(messageJson);
    const got = withUnkept({ messages, more: kept.startsWith('…') }, all(unkept), { limit, before });
    const ids = got.page.messages.map(({ message_id }) => message_id).join('');
    assert.equal(`${got.page.more ? '…' : ''}${ids}`, page);
    assert.equal(got.added.map(({ id }) => id).join(''), added);
  });
}
