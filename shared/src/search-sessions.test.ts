import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSearchLines, MAX_MATCHES, type SessionSearch, searchSessions } from './search-sessions.ts';
import { type Message, makeMessageId, makeSessionId, type Session } from './session.ts';
import { sqliteStore } from './store/sqlite.ts';

const OWNER = 'anna';

async function setup(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'beanline-search-'));
  const store = sqliteStore({ file: join(directory, 'store.db'), timeoutMs: 30_000 });
  t.after(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  let now = 1_800_000_000_000;

  async function session(title: string, texts: string[] = []): Promise<string> {
    now += 10_000;
    const made: Session = {
      id: makeSessionId(now),
      owner: OWNER,
      title,
      titleBy: 'client',
      featureMode: 'chat',
      model: null,
      featureOptions: '{}',
      createdAt: now,
      updatedAt: now,
      totalTokens: 0,
      messageCount: 0,
      summary: null,
    };
    await store.sessions.create(made);
    const messages = texts.map((text): Message => {
      now++;
      const said = { role: 'user' as const, content: JSON.stringify(text), text, model: null, usage: null };
      return { id: makeMessageId(now), ...said, metadata: '{}', task: null, createdAt: now };
    });
    if (messages[0]) await store.messages.append(OWNER, made.id, { id: messages[0].id, messages, tokens: 0, now });
    return made.id;
  }
  const searchLines = createSearchLines(30_000);
  const search = (over: Partial<SessionSearch>) =>
    searchSessions({ store, searchLines }, OWNER, {
      query: undefined,
      filter: {},
      sort: 'updated_at',
      limit: 50,
      skip: 0,
      ...over,
    });
  const titles = async (over: Partial<SessionSearch>) => (await search(over)).sessions.map(({ title }) => title);
  return { session, search, titles };
}

test('relevance is a matching title, then the number of matching messages, then the later change', async (t) => {
  const { session, titles } = await setup(t);
  await session('three', ['bean', 'bean', 'beans']);
  await session('one bean');
  await session('one, later', ['bean']);
  await session('bean and more', ['bean', 'bean']);
  await session('nothing', ['tree']);
  await session('one, last', ['a bean']);
  const ranked = ['bean and more', 'one bean', 'three', 'one, last', 'one, later'];
  const by = { query: 'bean', sort: 'relevance' as const };
  assert.deepEqual(await titles(by), ranked);
  for (let skip = 0; skip <= 5; skip++)
    assert.deepEqual(await titles({ ...by, limit: 1, skip }), ranked.slice(skip, skip + 1));
  assert.deepEqual(
    await titles({ ...by, filter: { minMessages: 1 } }),
    ranked.filter((title) => title !== 'one bean'),
  );
});

test('more matches than a search looks at are said to be more, whichever way they are sorted', async (t) => {
  const { session, search } = await setup(t);
  const many = (text: string) => Array.from({ length: 100 }, () => text);
  const rare = await session('old', ['rare bean']);
  for (let i = 0; i < MAX_MATCHES / 100; i++) await session(`s${i}`, many('common bean'));
  for (const sort of ['relevance', 'updated_at'] as const) {
    const exact = await search({ query: 'rare', sort });
    assert.deepEqual([exact.sessions.map(({ id }) => id), exact.total, exact.isExact], [[rare], 1, true]);
    const bounded = await search({ query: 'bean', sort });
    assert.equal(bounded.isExact, false);
    assert.equal(bounded.total, MAX_MATCHES / 100, 'of the newest matches');
  }
});

test('a search that finds more sessions than are read at once ranks them all', async (t) => {
  const { session, search } = await setup(t);
  const ids: string[] = [];
  for (let i = 0; i < 600; i++) ids.unshift(await session(`bean ${i}`));
  const found: string[] = [];
  for (let skip = 0; skip < 600; skip += 200) {
    const { sessions, total, isExact } = await search({ query: 'bean', sort: 'relevance', limit: 200, skip });
    assert.deepEqual([total, isExact], [600, true]);
    found.push(...sessions.map(({ id }) => id));
  }
  assert.deepEqual(found, ids);
});
