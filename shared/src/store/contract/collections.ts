/** The contract of collections: single documents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { MAX_DOCUMENT_BYTES } from '../checked-document.ts';
import { defineCollection, MAX_ID_LENGTH } from '../collection.ts';
import { notes } from './notes.ts';
import { hostile, type Pair, someOwner, wellFormed } from './samples.ts';

const jobs = defineCollection({
  name: 'sample_jobs',
  schema: z.object({
    state: z.enum(['open', 'taken']).default('open'),
    by: z.string().nullable().default(null),
    count: z.int().default(0),
  }),
  indexes: [['state', 'by']],
  retention: null,
  owner: 'required',
});
const flags = defineCollection({
  name: 'sample_flags',
  schema: z.object({ on: z.boolean() }),
  indexes: [['on']],
  retention: null,
  owner: 'none',
});
const anything = defineCollection({
  name: 'sample_anything',
  schema: z.object({ key: z.string().optional(), held: z.record(z.string(), z.json()) }),
  indexes: [['key']],
  retention: null,
  owner: 'required',
});
const logs = defineCollection({
  name: 'sample_logs',
  schema: z.object({ at: z.int().nullable(), text: z.string() }),
  indexes: [],
  retention: { field: 'at', days: 2 },
  owner: 'required',
});

const DAY_MS = 24 * 60 * 60_000;

export function collectionsContract(stores: () => Pair) {
  test('documents are kept by owner and id; the last one put stands', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    assert.equal(await notes(one).get(owner, 'a'), null);
    await notes(one).put(owner, 'a', '1');
    await notes(two).put(owner, 'a', '2');
    await notes(two).put(owner, 'b', '3');
    assert.equal(await notes(one).get(owner, 'a'), '2');
    assert.equal(await notes(one).get(someOwner(), 'a'), null);
    assert.equal(await notes(one).delete(someOwner(), 'a'), false);
    assert.equal(await notes(one).delete(owner, 'a'), true);
    assert.equal(await notes(two).delete(owner, 'a'), false);
    assert.equal(await notes(two).get(owner, 'a'), null);
    assert.equal(await notes(two).get(owner, 'b'), '3');
  });

  test('twenty that put one document at once leave one of theirs', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    await Promise.all(Array.from({ length: 20 }, (_, i) => notes(i % 2 ? one : two).put(owner, 'n', String(i))));
    assert.match((await notes(one).get(owner, 'n')) ?? '', /^1?\d$/);
  });

  test('of fifty that insert one document at once one does, and all learn whose it is', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const insert = (i: number) => (i % 2 ? one : two).collection(jobs).insert(owner, 'job', { by: `racer ${i}` });
    const racers = await Promise.all(Array.from({ length: 50 }, (_, i) => insert(i)));
    const winner = racers.findIndex(({ inserted }) => inserted);
    assert.equal(racers.filter(({ inserted }) => inserted).length, 1);
    const document = { state: 'open', by: `racer ${winner}`, count: 0 };
    for (const racer of racers) assert.deepEqual(racer.document, document);
    // Sent twice, as after a lost answer: the document says whose it is.
    assert.deepEqual(await insert(winner), { inserted: false, document });
    assert.deepEqual(await one.collection(jobs).get(owner, 'job'), document);
  });

  test('an owner’s document does not stand in the way of another owner’s of the same id', async () => {
    const { one, two } = stores();
    const [mine, theirs] = [someOwner(), someOwner()];
    assert.equal((await one.collection(jobs).insert(mine, 'job', { by: 'me' })).inserted, true);
    assert.equal((await two.collection(jobs).insert(theirs, 'job', { by: 'them' })).inserted, true);
    const changed = await one.collection(jobs).update(theirs, 'job', (job) => ({ ...job, count: 1 }));
    assert.equal(changed?.document.by, 'them');
    assert.deepEqual(await two.collection(jobs).get(mine, 'job'), { state: 'open', by: 'me', count: 0 });
    assert.equal(await one.collection(jobs).update(someOwner(), 'job', (job) => job), null);
  });

  test('changes of twenty at once are made one after the other, and none is lost', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    await one.collection(jobs).put(owner, 'job', {});
    const add = (i: number) =>
      (i % 2 ? one : two).collection(jobs).update(owner, 'job', (job) => ({ ...job, count: job.count + 1 }));
    const changes = await Promise.all(Array.from({ length: 20 }, (_, i) => add(i)));
    assert.deepEqual(
      changes.map((change) => change?.document.count).sort((a = 0, b = 0) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.equal((await one.collection(jobs).get(owner, 'job'))?.count, 20);
  });

  test('of twenty that change a document only if it is as they expect one does', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    await one.collection(jobs).put(owner, 'job', {});
    const take = (i: number) =>
      (i % 2 ? one : two)
        .collection(jobs)
        .update(owner, 'job', (job) => (job.state === 'open' ? { ...job, state: 'taken', by: String(i) } : null));
    const racers = await Promise.all(Array.from({ length: 20 }, (_, i) => take(i)));
    const winner = racers.findIndex((racer) => racer?.changed);
    assert.equal(racers.filter((racer) => racer?.changed).length, 1);
    for (const racer of racers) assert.equal(racer?.document.by, String(winner));
  });

  test('a collection of no owner is one for all', async () => {
    const { one, two } = stores();
    const id = someOwner();
    await one.collection(flags).put(id, { on: true });
    assert.deepEqual(await two.collection(flags).get(id), { on: true });
    assert.equal((await two.collection(flags).insert(id, { on: false })).inserted, false);
    const changed = await two.collection(flags).update(id, ({ on }) => ({ on: !on }));
    assert.deepEqual(changed, { changed: true, document: { on: false } });
    const { found } = await one.collection(flags).list({ where: { on: false }, limit: 10 });
    assert.deepEqual(found, [{ id, document: { on: false } }]);
    assert.equal(await one.collection(flags).count({ where: { on: true } }), 0);
    assert.equal(await one.collection(flags).delete(id), true);
  });

  test('what the schema does not take is refused with every bad field, and nothing is written', async () => {
    const { one } = stores();
    const owner = someOwner();
    const bad = { state: 'lost', by: 5 } as never;
    const refused = {
      name: 'TaskError',
      code: 'invalid_request',
      message: /sample_jobs: state: .+; by: /,
    };
    await assert.rejects(one.collection(jobs).put(owner, 'job', bad), refused);
    await assert.rejects(one.collection(jobs).insert(owner, 'job', bad), refused);
    assert.equal(await one.collection(jobs).get(owner, 'job'), null);
    await one.collection(jobs).put(owner, 'job', {});
    await assert.rejects(
      one.collection(jobs).update(owner, 'job', () => bad),
      refused,
    );
    assert.deepEqual(await one.collection(jobs).get(owner, 'job'), { state: 'open', by: null, count: 0 });
  });

  test('a stored document that its schema does not take any more fails alone, and says which it is in its cause', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const looser = defineCollection({ ...anything, name: 'sample_changed' });
    const stricter = defineCollection({
      ...anything,
      name: 'sample_changed',
      schema: z.object({ key: z.literal('new') }),
    });
    await one.collection(looser).put(owner, 'old', { key: 'old', held: {} });
    await one.collection(looser).put(owner, 'new', { key: 'new', held: {} });
    assert.deepEqual(await two.collection(stricter).get(owner, 'new'), { key: 'new' });
    await assert.rejects(two.collection(stricter).get(owner, 'old'), (error: Error & { code: string }) => {
      assert.equal(error.code, 'internal');
      assert.match(String(error.cause), /sample_changed "old"/);
      return true;
    });
  });

  test('an id or a document that is too large is refused, and the largest is kept', async () => {
    const { one } = stores();
    const owner = someOwner();
    const refused = { name: 'TaskError', code: 'invalid_request' };
    const long = 'x'.repeat(MAX_ID_LENGTH);
    await notes(one).put(owner, long, 'long');
    assert.equal(await notes(one).get(owner, long), 'long');
    await assert.rejects(notes(one).get(owner, `${long}x`), refused);
    await assert.rejects(notes(one).get(`${long}x`, 'id'), refused);
    const text = '회'.repeat((MAX_DOCUMENT_BYTES - '{"text":""}'.length) / 3);
    await notes(one).put(owner, 'large', text);
    assert.equal(await notes(one).get(owner, 'large'), text);
    await assert.rejects(notes(one).put(owner, 'large', `${text}회`), refused);
    assert.equal(await notes(one).get(owner, 'large'), text);
  });

  test('hostile names and values in a document come back as they were', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    for (const [n, text] of hostile.entries()) {
      const key = text.slice(0, 300);
      // A record of zod's has no such name.
      const held = key === '__proto__' ? {} : { [key]: { [key]: [key, null, -1.5e300, true, {}] } };
      await one.collection(anything).put(owner, `id${n}`, { key, held });
      assert.deepEqual(wellFormed(await two.collection(anything).get(owner, `id${n}`)), wellFormed({ key, held }));
      const { found } = await two.collection(anything).list(owner, { where: { key }, limit: 10 });
      assert.ok(
        found.some(({ id }) => id === `id${n}`),
        JSON.stringify(key),
      );
    }
  });

  test('documents past the retention are removed, the oldest first, by a store that does not know their collection', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const put = (at: number | null) => one.collection(logs).put(owner, `at ${at}`, { at, text: 'x' });
    for (const at of [3, 1, 2, null, 5]) await put(at);
    assert.equal(await two.purgeDocuments(2 * DAY_MS, 10), 0);
    assert.equal(await two.purgeDocuments(2 * DAY_MS + 4, 2), 2);
    const ids = async () => (await one.collection(logs).list(owner, { limit: 10 })).found.map(({ id }) => id);
    assert.deepEqual(await ids(), ['at 3', 'at 5', 'at null']);
    // Put anew, with a later time, it stays.
    await one.collection(logs).put(owner, 'at 3', { at: 5, text: 'x' });
    assert.equal(await two.purgeDocuments(2 * DAY_MS + 4, 10), 0);
    assert.equal(await one.purgeDocuments(2 * DAY_MS + 5, 10), 2);
    assert.deepEqual(await ids(), ['at null']);
  });

  test('two collections of one name are a mistake that is told', () => {
    const { one } = stores();
    const other = defineCollection({ ...flags });
    one.collection(flags);
    assert.throws(() => one.collection(other), { name: 'TypeError', message: /sample_flags/ });
  });
}
