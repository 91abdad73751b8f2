/**
 * Documents of collections in SQLite: a table for each, made with its indexes by whoever comes first. An index is one of
 * expressions over the JSON text, so that a field is stored once; it holds only documents that have all its fields.
 */
import type { IndexValue } from '../../store.ts';
import {
  type CollectionShape,
  createRows,
  type DocumentKey,
  type DocumentRange,
  type DocumentStore,
  type StoredDocument,
} from '../documents.ts';
import type { Sync } from './nouns.ts';
import type { Sql, SqlValue } from './schema.ts';

const PREFIX = 'documents_';

/** Names and fields are those that defineCollection lets pass: no character of theirs needs care. */
const tableOf = (name: string) => `${PREFIX}${name}`;
const indexOf = (table: string, fields: string[]) => `${table}(${fields.join(',')})`;
const purgeIndexOf = (table: string) => `${table}:purge_at`;
const inJson = (field: string) => `json_extract(json, '$.${field}')`;
const bound = (value: IndexValue): SqlValue => (typeof value === 'boolean' ? Number(value) : value);

/** What a collection is made of, by name, and the statements that make it where it is not there. */
function partsOf({ name, indexes }: CollectionShape): Map<string, string> {
  const table = tableOf(name);
  const make = (index: string, on: string) => `CREATE INDEX IF NOT EXISTS "${index}" ON ${table} ${on}`;
  const fieldIndexes = indexes.map((fields) => {
    const values = fields.map(inJson);
    const isIn = values.map((value) => `${value} IS NOT NULL`).join(' AND ');
    return [
      indexOf(table, fields),
      make(indexOf(table, fields), `(owner, ${values.join(', ')}, id) WHERE ${isIn}`),
    ] as const;
  });
  const columns =
    'number INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, revision TEXT NOT NULL, purge_at INTEGER, json TEXT NOT NULL';
  return new Map([
    [table, `CREATE TABLE IF NOT EXISTS ${table} (${columns})`],
    [indexOf(table, []), `CREATE UNIQUE INDEX IF NOT EXISTS "${indexOf(table, [])}" ON ${table} (owner, id)`],
    [purgeIndexOf(table), make(purgeIndexOf(table), '(purge_at) WHERE purge_at IS NOT NULL')],
    ...fieldIndexes,
  ]);
}

/** What stands behind FROM of a range, and its values. */
function selection(table: string, owner: string, { index, equals, bounds, ids }: DocumentRange) {
  const next = index[equals.length];
  const conditions: [string, SqlValue][] = [['owner = ?', owner]];
  for (const [i, value] of equals.entries()) conditions.push([`${inJson(index[i] ?? '')} = ?`, bound(value)]);
  const operators = { gt: '>', gte: '>=', lt: '<' } as const;
  for (const [operator, sign] of Object.entries(operators) as [keyof typeof operators, string][]) {
    const value = bounds[operator];
    if (next !== undefined && value !== undefined) conditions.push([`${inJson(next)} ${sign} ?`, bound(value)]);
  }
  if (ids.gt !== undefined) conditions.push(['id > ?', ids.gt]);
  if (ids.lt !== undefined) conditions.push(['id < ?', ids.lt]);
  const texts = conditions.map(([text]) => text);
  if (next !== undefined) texts.push(`${inJson(next)} IS NOT NULL`);
  return {
    text: `FROM ${table} INDEXED BY "${indexOf(table, index)}" WHERE ${texts.join(' AND ')}`,
    order: next === undefined ? ['id'] : [inJson(next), 'id'],
    values: conditions.map(([, value]) => value),
  };
}

export function sqliteDocuments(sql: Sql): Sync<DocumentStore> & { forget(): void } {
  /** Tables that are known to be there, and those of them that are known to have their indexes. */
  const there = new Set<string>();
  const made = new Set<string>();

  /** A reader makes nothing for what nobody wrote: it may be that nobody can write now. */
  function isThere({ name }: CollectionShape): boolean {
    if (there.has(name)) return true;
    const found = sql.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", tableOf(name)) !== undefined;
    if (found) there.add(name);
    return found;
  }

  function make(shape: CollectionShape) {
    const parts = partsOf(shape);
    const found = sql.all('SELECT name FROM sqlite_schema WHERE tbl_name = ?', tableOf(shape.name));
    const known = new Set(found.map(({ name }) => name));
    if ([...parts.keys()].every((name) => known.has(name))) return;
    // A writer is in its transaction already.
    const inside = sql.inTransaction();
    if (!inside) sql.run('BEGIN IMMEDIATE');
    try {
      for (const statement of parts.values()) sql.run(statement);
      if (!inside) sql.run('COMMIT');
    } catch (error) {
      if (!inside && sql.inTransaction()) sql.run('ROLLBACK');
      throw error;
    }
  }

  /** The table, with its indexes. */
  function whole(shape: CollectionShape): string {
    if (!made.has(shape.name)) make(shape);
    made.add(shape.name);
    return tableOf(shape.name);
  }

  const put = (shape: CollectionShape, { owner, id }: DocumentKey, document: StoredDocument, onConflict: string) =>
    sql.run(
      `INSERT INTO ${whole(shape)} (owner, id, revision, purge_at, json) VALUES (?, ?, ?, ?, ?) ON CONFLICT ${onConflict}`,
      ...[owner, id, document.revision, document.purgeAt, document.json],
    ) > 0;

  return {
    /** To be called when a transaction is taken back, which may have made collections. */
    forget() {
      there.clear();
      made.clear();
    },

    put(shape, key, document) {
      const all = 'revision = excluded.revision, purge_at = excluded.purge_at, json = excluded.json';
      put(shape, key, document, `(owner, id) DO UPDATE SET ${all}`);
    },

    insert: (shape, key, document) => put(shape, key, document, 'DO NOTHING'),

    read(shape, { owner, id }) {
      if (!isThere(shape)) return null;
      const row = sql.get(`SELECT json, revision FROM ${tableOf(shape.name)} WHERE owner = ? AND id = ?`, owner, id);
      return row ? { json: row.json as string, revision: row.revision as string } : null;
    },

    replace(shape, { owner, id }, known, { revision, purgeAt, json }) {
      const changed = sql.run(
        `UPDATE ${whole(shape)} SET revision = ?, purge_at = ?, json = ? WHERE owner = ? AND id = ? AND revision = ?`,
        ...[revision, purgeAt, json, owner, id, known],
      );
      return changed > 0;
    },

    delete: (shape, { owner, id }) => sql.run(`DELETE FROM ${whole(shape)} WHERE owner = ? AND id = ?`, owner, id) > 0,

    list(shape, owner, range) {
      const { rows, add } = createRows(range.limit);
      if (!isThere(shape)) return { rows, more: false };
      const { text, order, values } = selection(whole(shape), owner, range);
      const ordered = order.map((field) => `${field} ${range.descending ? 'DESC' : 'ASC'}`).join(', ');
      // One more than asked for, which tells whether there are more.
      const found = sql.each(`SELECT id, json ${text} ORDER BY ${ordered} LIMIT ?`, ...values, range.limit + 1);
      for (const { id, json } of found as Iterable<{ id: string; json: string }>) {
        if (!add({ id, json })) return { rows, more: true };
      }
      return { rows, more: false };
    },

    count(shape, owner, range) {
      if (!isThere(shape)) return 0;
      const { text, values } = selection(whole(shape), owner, range);
      const row = sql.get(`SELECT count(*) AS count FROM (SELECT 1 ${text} LIMIT ?)`, ...values, range.limit);
      return (row?.count ?? 0) as number;
    },

    purge(now, limit) {
      const tables = sql.all(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '${PREFIX}*'`);
      let purged = 0;
      for (const { name } of tables as { name: string }[]) {
        const old = `SELECT number FROM ${name} INDEXED BY "${purgeIndexOf(name)}" WHERE purge_at <= ? ORDER BY purge_at LIMIT ?`;
        if (purged < limit) purged += sql.run(`DELETE FROM ${name} WHERE number IN (${old})`, now, limit - purged);
      }
      return purged;
    },
  };
}
