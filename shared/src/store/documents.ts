/**
 * Documents as the engines keep them: JSON text, and beside it what they are found by. A collection comes to an engine as plain
 * data, so that the thread of SQLite loads neither zod nor a feature.
 */
import type { IndexValue } from '../store.ts';

export type CollectionShape = { name: string; indexes: string[][] };

/** The owner is empty where a collection has none. */
export type DocumentKey = { owner: string; id: string };

export type StoredDocument = {
  json: string;
  /** Another one with every write. */
  revision: string;
  /** From when on (ms) it may be removed; null: never. */
  purgeAt: number | null;
  /** Its values in each index; null where it is not in it. */
  entries: (IndexValue[] | null)[];
};

/** Documents that lie together in an index: first by its fields, then by id. */
export type DocumentRange = {
  /** The fields of the index; none: all documents by id. */
  index: string[];
  /** What the first of these fields are: all of them, or all but the last. */
  equals: IndexValue[];
  /** Bounds of the next field. */
  bounds: { gt?: IndexValue; gte?: IndexValue; lt?: IndexValue };
  ids: { gt?: string; lt?: string };
  descending: boolean;
  limit: number;
};

export type DocumentRow = { id: string; json: string };
/** `more`: the range goes on behind them. */
export type DocumentRows = { rows: DocumentRow[]; more: boolean };

/** Of one page, as JSON. */
export const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/** Collects rows up to a limit and MAX_PAGE_BYTES, one at least. `add` is false for the first that is too many. */
export function createRows(limit: number) {
  const rows: DocumentRow[] = [];
  let bytes = 0;
  return {
    rows,
    add(row: DocumentRow): boolean {
      bytes += Buffer.byteLength(row.json);
      if (rows.length >= limit || (rows.length > 0 && bytes > MAX_PAGE_BYTES)) return false;
      rows.push(row);
      return true;
    },
  };
}

export type DocumentStore = {
  put(shape: CollectionShape, key: DocumentKey, document: StoredDocument): Promise<void>;
  /** False when there is one. */
  insert(shape: CollectionShape, key: DocumentKey, document: StoredDocument): Promise<boolean>;
  read(shape: CollectionShape, key: DocumentKey): Promise<{ json: string; revision: string } | null>;
  /** False when it has another revision, or is not there. */
  replace(shape: CollectionShape, key: DocumentKey, revision: string, document: StoredDocument): Promise<boolean>;
  delete(shape: CollectionShape, key: DocumentKey): Promise<boolean>;
  list(shape: CollectionShape, owner: string, range: DocumentRange): Promise<DocumentRows>;
  count(shape: CollectionShape, owner: string, range: DocumentRange): Promise<number>;
  /** Of all collections that are there, whoever made them. */
  purge(now: number, limit: number): Promise<number>;
};
