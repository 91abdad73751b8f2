import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sessionSorts } from '../../store.ts';
import { someMessage, someSession, someTask, T0 } from '../contract/samples.ts';
import { MAX_CANDIDATES } from '../search-text.ts';
import { sqliteDocuments } from './documents.ts';
import { leftWork } from './left.ts';
import { sqliteMessages } from './messages.ts';
import { openSql, type Sql } from './schema.ts';
import { sqliteSessions } from './sessions.ts';
import { sqliteTasks } from './tasks.ts';
import { whole } from './testing/whole.ts';

const directory = await mkdtemp(join(tmpdir(), 'beanline-store-'));
after(() => rm(directory, { recursive: true, force: true }));

/** The steps of SQLite's plan of a statement. */
const planOf = (sql: Sql, text: string) => sql.all(`EXPLAIN QUERY PLAN ${text}`).map((step) => String(step.detail));

/** Of a plan, the steps whose cost grows with what is stored: walks without an index, and sorting. */
const unbounded = (plan: string[]) =>
  plan.filter(
    (step) =>
      /SCAN|TEMP B-TREE/.test(step) &&
      // Walked by the words of the query, already in order.
      !/SCAN (message|title)_trigrams VIRTUAL TABLE INDEX \d+:(M|=)/.test(step) &&
      // The names of tables, once a thread and with every purge.
      !/SCAN sqlite_schema/.test(step) &&
      !/SCAN (\(subquery-\d+\)|CONSTANT ROW|json_each VIRTUAL TABLE)/.test(step),
  );

function setup() {
  const sql = openSql(join(directory, 'store.db'), 1_000);
  const texts = new Set<string>();
  const noted =
    <Rest extends unknown[], Result>(run: (text: string, ...rest: Rest) => Result) =>
    (text: string, ...rest: Rest) => {
      texts.add(text);
      return run(text, ...rest);
    };
  const watched: Sql = {
    ...sql,
    get: noted(sql.get),
    all: noted(sql.all),
    each: noted(sql.each),
    run: noted(sql.run),
  };
  const nouns = {
    tasks: sqliteTasks(watched),
    sessions: sqliteSessions(watched),
    messages: sqliteMessages(watched),
    documents: sqliteDocuments(watched),
  };
  return { sql, texts, ...nouns };
}

test('no statement walks a table or sorts more than the ids it was given', () => {
  const { sql, texts, tasks, sessions, messages, documents } = setup();
  const owner = 'o';
  const session = someSession(owner, { title: 'Beans', titleBy: 'model' });
  const task = someTask(owner, { endedAt: 5 });
  tasks.put([task, someTask(owner)]);
  for (const place of ['whole', 'listed'] as const) tasks.read(owner, task.record.id, place);
  tasks.read(owner, 'none', 'whole');
  assert.equal(tasks.ownerOf(task.record.id), owner);
  tasks.readRequest(owner, task.record.id);
  tasks.readEvents(owner, task.record.id);
  tasks.findByKey(owner, 'hash');
  for (const before of [null, 'zzz']) {
    for (const type of [undefined, 'chat.request']) {
      for (const status of [undefined, 'completed'] as const) tasks.list(owner, { limit: 5, before, type, status });
    }
  }
  tasks.purge(10, 10);
  sessions.create(session);
  const ofIds = new Set<string>();
  for (const sort of sessionSorts) {
    sessions.list(owner, {}, { sort, limit: 5, skip: 0 });
    sessions.list(owner, { maxTokens: 5 }, { sort, limit: 5, skip: 0 });
    const known = new Set(texts);
    sessions.list(owner, { ids: [session.id] }, { sort, limit: 5, skip: 0 });
    for (const text of texts.difference(known)) ofIds.add(text);
  }
  sessions.setTitle(owner, session.id, 'Peas', 'client', T0);
  sessions.setSummary(owner, session.id, { text: 'x', upTo: 'msg_1', messages: 1, createdAt: T0 });
  const message = someMessage('the green bean');
  messages.append(owner, session.id, { id: 't', messages: [message], tokens: 1, now: T0 });
  for (const before of [null, 'zzz']) messages.page(owner, session.id, { limit: 5, before });
  for (const after of [null, 'a']) messages.range(owner, session.id, { after, before: 'zzz', limit: 5 });
  for (const query of ['e', 'ee', 'green']) {
    assert.equal(messages.matching(owner, query, 5).length, 1);
    sessions.titled(owner, query, 5);
  }
  // More than a piece, of the index and of a deletion.
  const long = Array.from({ length: 9_000 }, (_, i) => i.toString(36)).join(' ');
  for (const texts of [[long], Array.from({ length: 100 }, () => 'x')]) {
    const turn = texts.map((text, i) => someMessage(text, { createdAt: T0 + i }));
    whole(messages.append(owner, session.id, { id: 't', messages: turn, tokens: 1, now: T0 }));
  }
  assert.equal(messages.matching(owner, long.slice(-50), 5).length, 1);
  whole(sessions.delete(owner, session.id));
  assert.deepEqual(leftWork(sql), []);

  const shape = { name: 'samples', indexes: [['state', 'source.at'], ['size']] };
  const key = { owner, id: 'd' };
  const entries = [['open', 5], null];
  const json = '{"state":"open","source":{"at":5}}';
  documents.put(shape, key, { json, revision: 'a', purgeAt: 5, entries });
  assert.equal(documents.insert(shape, key, { json, revision: 'b', purgeAt: null, entries }), false);
  assert.equal(documents.replace(shape, key, 'a', { json, revision: 'b', purgeAt: 6, entries }), true);
  assert.deepEqual(documents.read(shape, key), { json, revision: 'b' });
  const ranges = [
    { index: [], equals: [], bounds: {}, ids: {}, found: true },
    { index: [], equals: [], bounds: {}, ids: { gt: 'a' }, found: true },
    { index: ['size'], equals: [], bounds: {}, ids: {}, found: false },
    { index: ['size'], equals: [5], bounds: {}, ids: { lt: 'z' }, found: false },
    { index: ['state', 'source.at'], equals: ['open'], bounds: {}, ids: {}, found: true },
    { index: ['state', 'source.at'], equals: ['open'], bounds: { gte: 1, lt: 9 }, ids: {}, found: true },
    { index: ['state', 'source.at'], equals: ['open'], bounds: { gt: 1, gte: 1, lt: 9 }, ids: {}, found: true },
    { index: ['state', 'source.at'], equals: ['open', 5], bounds: {}, ids: { gt: 'a' }, found: true },
  ];
  for (const { found, ...range } of ranges) {
    for (const descending of [false, true]) {
      const listed = documents.list(shape, owner, { ...range, descending, limit: 5 });
      assert.deepEqual(listed, { rows: found ? [{ id: 'd', json }] : [], more: false });
    }
    assert.equal(documents.count(shape, owner, { ...range, descending: false, limit: 5 }), found ? 1 : 0);
  }
  assert.equal(documents.purge(6, 10), 1);
  documents.delete(shape, key);

  assert.ok(texts.size > 60, `${texts.size} statements`);
  for (const text of texts) {
    const found = unbounded(planOf(sql, text));
    if (ofIds.has(text)) assert.ok(!found.some((step) => step.startsWith('SCAN')), `${text}: ${found}`);
    else assert.deepEqual(found, [], text);
  }
  sql.close();
});

test('a filtered list of sessions reads an index alone until it has its page', () => {
  const { sql, texts, sessions } = setup();
  for (const sort of sessionSorts) sessions.list('o', { minTokens: 5 }, { sort, limit: 5, skip: 0 });
  const counts = [...texts].filter((text) => text.includes('count(*)'));
  assert.equal(counts.length, sessionSorts.length);
  for (const text of counts) {
    const plan = planOf(sql, text);
    assert.ok(
      plan.some((step) => /USING COVERING INDEX/.test(step)),
      `${text}: ${plan}`,
    );
  }
  sql.close();
});

test('a search whose parts are frequent compares the newest messages, up to its bound', () => {
  const { sql, sessions, messages } = setup();
  const session = someSession('frequent');
  sessions.create(session);
  sql.run('BEGIN');
  const put = (text: string, at: number, count: number) => {
    const turn = Array.from({ length: count }, (_, i) => someMessage(text, { createdAt: at + i }));
    messages.append('frequent', session.id, { id: 't', messages: turn, tokens: 1, now: at });
    return turn;
  };
  put('abcdef', T0, 1);
  for (let n = 0; n < MAX_CANDIDATES + 100; n += 100) put('abcd bcde cdef', T0 + 1 + n, 100);
  sql.run('COMMIT');
  assert.deepEqual(messages.matching('frequent', 'abcdef', 10), []);
  const [young] = put('abcdef', T0 + 1_000, 1);
  assert.deepEqual(messages.matching('frequent', 'abcdef', 10), [{ sessionId: session.id, id: young?.id }]);
  sql.close();
});
