/**
 * Documents of collections in MongoDB: a collection for each. A document is JSON text, since it may have names of a client's own;
 * beside it stand, for each index that it is in, the owner and its values there.
 */
import type { Collection, Document, Filter, IndexDescription } from 'mongodb';
import type { IndexValue } from '../../store.ts';
import {
  type CollectionShape,
  createRows,
  type DocumentKey,
  type DocumentRange,
  type DocumentStore,
  type StoredDocument,
} from '../documents.ts';
import { pack, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { isDuplicate } from './errors.ts';
import type { MakeOnce } from './make-once.ts';
import { type Collections, type DocumentDocument, type DocumentEntry, keyOf, mine, number } from './schema.ts';

/** Whatever fields it has, one name. */
const entryName = (fields: string[]) => fields.join('+').replaceAll('.', '/');
const entryOf = (owner: string, values: IndexValue[]): DocumentEntry => ({
  owner,
  ...Object.fromEntries(values.map((value, i) => [`value${i}`, value])),
});
const pathOf = (fields: string[], name: string) => `entries.${entryName(fields)}.${name}`;

const indexesOf = ({ indexes }: CollectionShape): IndexDescription[] => [
  { key: { owner: 1, '_id.id': 1 } },
  { key: { purge_at: 1 }, sparse: true },
  ...indexes.map((fields) => ({
    key: Object.fromEntries([
      [pathOf(fields, 'owner'), 1 as const],
      ...fields.map((_, i) => [pathOf(fields, `value${i}`), 1 as const] as const),
      ['_id.id', 1 as const],
    ]),
  })),
];

async function documentOf(
  { indexes }: CollectionShape,
  { owner, id }: DocumentKey,
  { json, revision, purgeAt, entries }: StoredDocument,
): Promise<DocumentDocument> {
  const present = indexes.flatMap((fields, i) => {
    const values = entries[i];
    return values ? [[entryName(fields), entryOf(owner, values)] as const] : [];
  });
  return {
    _id: keyOf(owner, id),
    owner,
    revision,
    ...(purgeAt === null ? {} : { purge_at: number(purgeAt) }),
    entries: Object.fromEntries(present),
    json: await pack(json),
  };
}

function filterOf(owner: string, { index, equals, bounds, ids }: DocumentRange): Filter<DocumentDocument> {
  const operators = (given: { gt?: IndexValue; gte?: IndexValue; lt?: IndexValue }) =>
    Object.fromEntries(Object.entries(given).map(([name, value]) => [`$${name}`, value]));
  const next = pathOf(index, `value${equals.length}`);
  return {
    [index.length === 0 ? 'owner' : pathOf(index, 'owner')]: owner,
    ...Object.fromEntries(equals.map((value, i) => [pathOf(index, `value${i}`), value])),
    ...(Object.keys(bounds).length === 0 ? {} : { [next]: operators(bounds) }),
    ...(Object.keys(ids).length === 0 ? {} : { '_id.id': operators(ids) }),
  };
}

export function mongoDocuments(call: Call, makeOnce: MakeOnce): DocumentStore {
  /** With the indexes of the collection, which the first call makes. */
  const inCollection = <T>(
    { name, ...shape }: CollectionShape,
    work: (collection: Collection<DocumentDocument>, db: Collections, signal: AbortSignal) => Promise<T>,
  ) =>
    call(async (db, signal) => {
      const collection = db.documents(name);
      await makeOnce(name, () => collection.createIndexes(indexesOf({ name, ...shape })));
      signal.throwIfAborted();
      return work(collection, db, signal);
    });

  return {
    async put(shape, key, stored) {
      const document = await documentOf(shape, key, stored);
      await inCollection(shape, async (collection, _, signal) => {
        const put = () => collection.replaceOne({ _id: document._id }, document, { upsert: true });
        await put().catch((error: unknown) => {
          // Of two that make it at once the server refuses one, who then finds it made.
          if (!isDuplicate(error)) throw error;
          signal.throwIfAborted();
          return put();
        });
      });
    },

    async insert(shape, key, stored) {
      const document = await documentOf(shape, key, stored);
      return inCollection(shape, async (collection) => {
        try {
          await collection.insertOne(document);
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          return false;
        }
      });
    },

    async read(shape, { owner, id }) {
      const found = await inCollection(shape, (collection, { read }) =>
        collection.findOne(mine(owner, id), { ...read, projection: { json: 1, revision: 1 } }),
      );
      return found && { json: await unpack(found.json), revision: found.revision };
    },

    async replace(shape, key, revision, stored) {
      const document = await documentOf(shape, key, stored);
      const known = { ...mine(key.owner, key.id), revision };
      const { matchedCount } = await inCollection(shape, (collection) => collection.replaceOne(known, document));
      return matchedCount > 0;
    },

    async delete(shape, { owner, id }) {
      const { deletedCount } = await inCollection(shape, (collection) => collection.deleteOne(mine(owner, id)));
      return deletedCount > 0;
    },

    async list(shape, owner, range) {
      const { index, equals, descending, limit } = range;
      const way = descending ? -1 : 1;
      const isOrdered = equals.length < index.length;
      const sort = { ...(isOrdered ? { [pathOf(index, `value${equals.length}`)]: way } : {}), '_id.id': way } as const;
      return inCollection(shape, async (collection, { read }, signal) => {
        const { rows, add } = createRows(limit);
        // One more than asked for, which tells whether there are more.
        const options = { ...read, sort, limit: limit + 1, projection: { json: 1 } };
        for await (const { _id, json } of collection.find(filterOf(owner, range), options)) {
          signal.throwIfAborted();
          if (!add({ id: _id.id, json: await unpack(json) })) return { rows, more: true };
        }
        return { rows, more: false };
      });
    },

    count: (shape, owner, range) =>
      inCollection(shape, (collection, { read }) =>
        collection.countDocuments(filterOf(owner, range), { ...read, limit: range.limit }),
      ),

    async purge(now, limit) {
      let purged = 0;
      for (const name of await call((db) => db.documentNames())) {
        const old = { purge_at: { $lte: number(now) } };
        purged += await call(async (db, signal) => {
          if (purged >= limit) return 0;
          const oldest = { ...db.read, sort: { purge_at: 1 } as const, limit: limit - purged, projection: { _id: 1 } };
          const found = await db.documents(name).find(old, oldest).toArray();
          signal.throwIfAborted();
          if (found.length === 0) return 0;
          // Not those that were put anew meanwhile, to stay longer.
          const these: Document = { _id: { $in: found.map(({ _id }) => _id) }, ...old };
          return (await db.documents(name).deleteMany(these)).deletedCount;
        });
      }
      return purged;
    },
  };
}
