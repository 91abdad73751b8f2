/**
 * The tables of collections: one for each, made with its indexes by whoever writes first. An index is one of expressions over
 * the JSON text, so that a field is stored once; it holds only documents that have all its fields.
 */
import type { CollectionShape } from '../documents.ts';
import type { Sql } from './schema.ts';

export const PREFIX = 'documents_';

/** Names and fields are those that defineCollection lets pass: no character of theirs needs care. */
export const tableOf = (name: string) => `${PREFIX}${name}`;
export const indexOf = (table: string, fields: string[]) => `${table}(${fields.join(',')})`;
export const purgeIndexOf = (table: string) => `${table}:purge_at`;
export const inJson = (field: string) => `json_extract(json, '$.${field}')`;

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

/** Makes sure of tables, and remembers which are there. */
export function createTables(sql: Sql) {
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

  return {
    isThere,
    whole,
    /** To be called when a transaction is taken back, which may have made some. */
    forget() {
      there.clear();
      made.clear();
    },
  };
}
