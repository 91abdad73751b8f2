import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Message, makeMessageId, makeSessionId } from '../session.ts';
import { sqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store.ts';
import { loadSession, withPending } from './read-session.ts';
import { messageJson } from './view.ts';

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
const TABLE: [stored: string, pending: string, limit: number, before: string | null, page: string, added: string][] = [
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

for (const [stored, pending, limit, before, page, added] of TABLE) {
  test(`the store has "${stored}", ended tasks said "${pending}": ${limit} before ${before ?? 'now'} are "${page}"`, () => {
    const messages = all(stored.replace('…', '')).map(messageJson);
    const got = withPending({ messages, more: stored.startsWith('…') }, all(pending), { limit, before });
    const ids = got.page.messages.map(({ message_id }) => message_id).join('');
    assert.equal(`${got.page.more ? '…' : ''}${ids}`, page);
    assert.equal(got.added.map(({ id }) => id).join(''), added);
  });
}

test('a session counts the messages it shows, though another writer comes between the reads of it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'beanline-read-'));
  const store = sqliteStore({ file: join(directory, 'store.db'), timeoutMs: 30_000 });
  t.after(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  const [owner, now] = ['anna', Date.now()];
  const id = makeSessionId(now);
  const nothing = { title: null, titleBy: null, model: null, summary: null, totalTokens: 0, messageCount: 0 };
  const made = { id, owner, featureMode: 'chat' as const, featureOptions: '{}', createdAt: now, updatedAt: now };
  await store.sessions.create({ ...nothing, ...made });
  const say = () => {
    const said = message(makeMessageId(now));
    return store.messages.append(owner, id, { id: said.id, messages: [said], tokens: 0, now });
  };
  for (const writes of ['before the page is read', 'after it'] as const) {
    let left = 2;
    const page: Store['messages']['page'] = async (...asked) => {
      if (left > 0 && writes === 'before the page is read') await say();
      const found = await store.messages.page(...asked);
      if (left > 0 && writes === 'after it') await say();
      left--;
      return found;
    };
    const json = await loadSession({ store: { ...store, messages: { ...store.messages, page } } }, owner, id);
    const { session, messages } = JSON.parse(json ?? '');
    assert.equal(session.messageCount, messages.length, writes);
  }
  assert.equal(await loadSession({ store }, 'ben', id), null);
});
