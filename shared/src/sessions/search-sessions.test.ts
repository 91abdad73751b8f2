import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Message, makeMessageId, makeSessionId, type Session } from '../session.ts';
import { sqliteStore } from '../store/sqlite/store.ts';
import { createSearchLines } from './search-lines.ts';
import { MAX_MATCHES, type SessionSearch, searchSessions } from './search-sessions.ts';

const OWNER = 'anna';

async function setup(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'beanline-search-'));
  const store = sqliteStore({ file: join(directory, 'store.db'), timeoutMs: 60_000 });
  t.after(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  let now = 1_800_000_000_000;

  async function session(title: string, texts: string[] = [], owner = OWNER): Promise<string> {
    now += 10_000;
    const made: Session = {
      id: makeSessionId(now),
      owner,
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
    if (messages[0]) await store.messages.append(owner, made.id, { id: messages[0].id, messages, tokens: 0, now });
    return made.id;
  }
  const searchLines = createSearchLines(store, 60_000);
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
  return { session, search, titles, store, searchLines };
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

test('thirty slow searches of one owner at once do not stop another one: he is answered before the tenth, and the last are refused', async (t) => {
  const { session, search, store, searchLines } = await setup(t);
  const text = 'ab'.repeat(100_000);
  const many = Array.from({ length: 20 }, () => text);
  for (let i = 0; i < 5; i++) await session(`s${i}`, many);
  await session('one', ['a bean'], 'quiet');
  const quietly = () => {
    const by = { query: 'bean', filter: {}, sort: 'relevance' as const, limit: 50, skip: 0 };
    return searchSessions({ store, searchLines }, 'quiet', by);
  };
  const timed = async (work: () => Promise<unknown>) => {
    const since = performance.now();
    await work();
    return performance.now() - since;
  };
  const idle: number[] = [];
  for (let i = 0; i < 9; i++) idle.push(await timed(quietly));

  const flooded: number[] = [];
  for (let round = 0; round < 3; round++) {
    let answered = 0;
    const flood = Array.from({ length: 30 }, () => search({ query: 'ab', sort: 'relevance' }).then(() => answered++));
    const settled = Promise.allSettled(flood);
    flooded.push(await timed(quietly));
    assert.ok(answered < 10, `${answered} were answered before`);
    const ends = await settled;
    const refused = ends.filter((end) => end.status === 'rejected').map(({ reason }) => reason);
    assert.equal(answered, 21);
    for (const { code, retryAfterMs } of refused) assert.deepEqual([code, retryAfterMs], ['rate_limited', 1_000]);
  }
  const middle = (times: number[]) => (times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0).toFixed(1);
  t.diagnostic(`the quiet owner's search: ${middle(idle)} ms alone, ${middle(flooded)} ms beside the others`);
});
