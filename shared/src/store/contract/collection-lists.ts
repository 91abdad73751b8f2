/** The contract of collections: lists and counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { DocumentPage, Store } from '../../store.ts';
import { defineCollection, MAX_PAGE } from '../collection.ts';
import { MAX_PAGE_BYTES } from '../documents.ts';
import { notes } from './notes.ts';
import { hostile, type Pair, pick, randomOf, someOwner } from './samples.ts';

const Item = z.object({
  state: z.string(),
  size: z.number().optional(),
  source: z.object({ name: z.string().nullable() }),
  hidden: z.boolean(),
});
type Item = z.infer<typeof Item>;
const items = defineCollection({
  name: 'sample_items',
  schema: Item,
  indexes: [['state', 'size'], ['size'], ['source.name'], ['hidden', 'state', 'size'], ['state', 'hidden']],
  retention: null,
  owner: 'required',
});

type Entry = { id: string; document: Item };
type Page = Omit<DocumentPage<Item>, 'limit' | 'cursor'>;

/** In the order of both engines: numbers by value, texts by their bytes. */
function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
const fieldOf = ({ state, size, source, hidden }: Item) => ({ state, size, hidden, 'source.name': source.name });

/** What a list shall show, by looking at all there is. */
function expected(all: Entry[], { where = {}, by, from, below, descending }: Page): string[] {
  const values = (item: Entry) =>
    fieldOf(item.document) as Record<string, string | number | boolean | null | undefined>;
  const sorted = all
    .filter((item) => Object.entries(where).every(([field, value]) => values(item)[field] === value))
    .filter((item) => by === undefined || (values(item)[by] ?? null) !== null)
    .filter((item) => by === undefined || from === undefined || compare(values(item)[by] as never, from as never) >= 0)
    .filter((item) => by === undefined || below === undefined || compare(values(item)[by] as never, below as never) < 0)
    .sort((a, b) => (by && compare(values(a)[by] as never, values(b)[by] as never)) || compare(a.id, b.id));
  const ids = sorted.map(({ id }) => id);
  return descending ? ids.reverse() : ids;
}

async function listed(store: Store, owner: string, page: Page, limit: number): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const { found, next } = await store.collection(items).list(owner, { ...page, limit, cursor });
    assert.ok(found.length <= limit);
    ids.push(...found.map(({ id }) => id));
    if (next === null) return ids;
    assert.equal(found.length, limit, 'only the last page is short');
    cursor = next;
  }
}

const pages: Page[] = [
  {},
  { where: { state: 'open' }, by: 'size' },
  { where: { state: 'open' }, by: 'size', from: 2, below: 7 },
  { where: { state: 'open', size: 3 } },
  { where: { state: 'none' }, by: 'size' },
  { by: 'size' },
  { by: 'size', from: 4.5 },
  { by: 'size', below: 4 },
  { by: 'source.name' },
  { by: 'source.name', from: 'b', below: '회' },
  { where: { 'source.name': 'a' } },
  { where: { hidden: true, state: 'open' }, by: 'size' },
  { where: { hidden: false, state: 'shut' }, by: 'size', from: -1, below: 9 },
  { where: { state: 'shut', hidden: true } },
];

export function collectionListsContract(stores: () => Pair) {
  test('pages by any index have neither gap nor repeat, in both directions, and are counted', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(31);
    const all = Array.from({ length: 120 }, (_, i): Entry => {
      const size = pick(random, [undefined, -1, 0, 1, 2, 3, 3, 4.5, 7, 1e15]);
      const name = pick(random, [null, 'a', 'B', 'b', '회', '👩‍👩‍👧', 'ㄱ', '']);
      const state = pick(random, ['open', 'shut']);
      const document = { state, source: { name }, hidden: random() < 0.5, ...(size === undefined ? {} : { size }) };
      return { id: `${pick(random, ['a', 'Z', '회', ''])}${i}`, document };
    });
    await Promise.all(all.map(({ id, document }, i) => (i % 2 ? one : two).collection(items).put(owner, id, document)));
    for (const page of pages) {
      for (const descending of [false, true]) {
        const wanted = expected(all, { ...page, descending });
        for (const limit of [MAX_PAGE, 7]) {
          const found = await listed(two, owner, { ...page, descending }, limit);
          assert.deepEqual(found, wanted, JSON.stringify({ page, descending, limit }));
        }
        assert.equal(await one.collection(items).count(owner, page), wanted.length, JSON.stringify(page));
        assert.deepEqual(await listed(one, someOwner(), { ...page, descending }, 10), []);
      }
    }
    const { found } = await one.collection(items).list(owner, { limit: 3 });
    for (const { id, document } of found) assert.deepEqual(document, all.find((item) => item.id === id)?.document);
  });

  test('a document moves in its indexes with every change, and leaves them with its end', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const document = { state: 'open', size: 1, source: { name: 'a' }, hidden: false };
    const found = async (where: { state: string; hidden: boolean }) =>
      (await two.collection(items).list(owner, { where, limit: 5 })).found.map(({ id }) => id);
    await one.collection(items).put(owner, 'x', document);
    assert.deepEqual(await found({ state: 'open', hidden: false }), ['x']);
    await one.collection(items).update(owner, 'x', (item) => ({ ...item, hidden: true }));
    assert.deepEqual(await found({ state: 'open', hidden: false }), []);
    assert.deepEqual(await found({ state: 'open', hidden: true }), ['x']);
    await two.collection(items).put(owner, 'x', { ...document, state: 'shut' });
    assert.deepEqual(await found({ state: 'open', hidden: true }), []);
    assert.deepEqual(await found({ state: 'shut', hidden: false }), ['x']);
    await one.collection(items).delete(owner, 'x');
    assert.deepEqual(await found({ state: 'shut', hidden: false }), []);
  });

  test('a list goes on behind its cursor also when the document that it ended with is gone', async () => {
    const { one } = stores();
    const owner = someOwner();
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) {
      await one.collection(items).put(owner, id, { state: 's', size: 1, source: { name: null }, hidden: false });
    }
    for (const page of [{}, { by: 'size' }] as const) {
      const first = await one.collection(items).list(owner, { ...page, limit: 2 });
      await one.collection(items).delete(owner, 'b');
      const second = await one.collection(items).list(owner, { ...page, limit: 2, cursor: first.next });
      assert.deepEqual(
        second.found.map(({ id }) => id),
        ['c', 'd'],
      );
      assert.equal(second.next, null);
      await one.collection(items).put(owner, 'b', { state: 's', size: 1, source: { name: null }, hidden: false });
    }
  });

  test('a page of large documents is short, and goes on', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const text = 'x'.repeat(MAX_PAGE_BYTES / 10);
    const ids = Array.from({ length: 25 }, (_, i) => `id${i + 10}`);
    for (const id of ids) await notes(one).put(owner, id, text);
    assert.deepEqual(await notes(two).ids(owner, 100), [ids.slice(0, 9), ids.slice(9, 18), ids.slice(18)]);
    assert.deepEqual(await notes(two).ids(owner, 8), [
      ids.slice(0, 8),
      ids.slice(8, 16),
      ids.slice(16, 24),
      ids.slice(24),
    ]);
  });

  test('a cursor that is not one of the list is refused, and one that is forged shows nothing of another owner', async () => {
    const { one } = stores();
    const [mine, theirs] = [someOwner(), someOwner()];
    const document = { state: 'open', size: 5, source: { name: 'a' }, hidden: false };
    await one.collection(items).put(mine, 'x', document);
    await one.collection(items).put(theirs, 'y', document);
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bad = [
      ...hostile,
      forged(null),
      forged([1]),
      forged([{ $gt: '' }, 'x']),
      forged([1, { $gt: '' }]),
      forged([null, 'x']),
    ];
    for (const cursor of bad) {
      if (cursor === '') continue;
      await assert.rejects(
        one.collection(items).list(mine, { by: 'size', limit: 5, cursor }),
        { name: 'TaskError', code: 'invalid_request' },
        JSON.stringify(cursor.slice(0, 50)),
      );
    }
    for (const cursor of [forged([-1, '']), forged([5, '']), forged(['open', 'x']), forged([false, 'x'])]) {
      const { found } = await one.collection(items).list(mine, { by: 'size', limit: 5, cursor });
      assert.ok(found.every(({ id }) => id === 'x'));
    }
  });

  test('what no index serves, and what is no value, is refused before it is asked', async () => {
    const { one } = stores();
    const owner = someOwner();
    const list = (page: object) => one.collection(items).list(owner, { limit: 5, ...page } as never);
    const wrong = { name: 'TypeError' };
    await assert.rejects(list({ where: { state: 'open' } }), wrong);
    await assert.rejects(list({ by: 'state' }), wrong);
    await assert.rejects(list({ where: { size: 1 }, by: 'state' }), wrong);
    await assert.rejects(list({ where: { other: 1 } }), wrong);
    await assert.rejects(list({ from: 1 }), wrong);
    for (const bad of [{ $gt: '' }, ['x'], null, undefined, Number.NaN]) {
      await assert.rejects(list({ where: { size: bad } }), wrong);
      await assert.rejects(one.collection(items).count(owner, { where: { size: bad } } as never), wrong);
      if (bad !== undefined) await assert.rejects(list({ by: 'size', from: bad }), wrong);
    }
    for (const limit of [0, -1, MAX_PAGE + 1, Number.NaN])
      await assert.rejects(list({ limit }), { name: 'RangeError' });
  });
}
