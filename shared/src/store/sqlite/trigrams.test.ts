import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomOf, someMessage, someSession, T0 } from '../contract/samples.ts';
import { MAX_TRIGRAMS, MAX_TURN_TRIGRAMS } from '../search-text.ts';
import { sqliteMessages } from './messages.ts';
import { openSql } from './schema.ts';
import { sqliteSessions } from './sessions.ts';
import { whole } from './testing/whole.ts';

const HANGUL = 0xac00;
const SYLLABLES = 11_172;

test('a turn of random letters takes no more of the index than its part, and each message is found by its beginning', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'beanline-store-'));
  const sql = openSql(join(directory, 'store.db'), 1_000);
  t.after(async () => {
    sql.close();
    await rm(directory, { recursive: true, force: true });
  });
  const messages = sqliteMessages(sql);
  const session = someSession('o');
  sqliteSessions(sql).create(session);
  const random = randomOf(21);
  const letters = () =>
    Array.from({ length: 190_000 }, () => String.fromCodePoint(HANGUL + Math.floor(random() * SYLLABLES))).join('');
  const append = (count: number) => {
    const turn = Array.from({ length: count }, () => someMessage(letters()));
    const startedAt = performance.now();
    whole(messages.append('o', session.id, { id: 't', messages: turn, tokens: 1, now: T0 }));
    t.diagnostic(`${count} messages: ${Math.round(performance.now() - startedAt)} ms`);
    return turn;
  };
  sql.run("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, message_trigrams, 'row')");
  // Of each trigram the table has its prefixes too, which are no words of it.
  const words = () => Number(sql.get('SELECT count(*) AS count FROM temp.words')?.count);

  const turn = append(16);
  const kept = words();
  assert.ok(kept <= MAX_TURN_TRIGRAMS && kept > 0.9 * MAX_TURN_TRIGRAMS, `${kept} trigrams`);
  for (const { id, text } of turn) {
    assert.deepEqual(messages.matching('o', text.slice(0, 50), 10), [{ sessionId: session.id, id }]);
    // Beyond its part of the index.
    assert.deepEqual(messages.matching('o', text.slice(-50), 10), []);
  }
  append(1);
  assert.ok(words() - kept <= MAX_TRIGRAMS, `${words() - kept} trigrams`);
});
