/** Documents of collections in SQLite. */
import type { IndexValue } from '../../store.ts';
import {
  type CollectionShape,
  createRows,
  type DocumentKey,
  type DocumentRange,
  type DocumentStore,
  type StoredDocument,
} from '../documents.ts';
import { createTables, indexOf, inJson, PREFIX, purgeIndexOf, tableOf } from './document-tables.ts';
import type { Sync } from './nouns.ts';
import type { Sql, SqlValue } from './schema.ts';

const bound = (value: IndexValue): SqlValue => (typeof value === 'boolean' ? Number(value) : value);

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
  const { isThere, whole, forget } = createTables(sql);

  const put = (shape: CollectionShape, { owner, id }: DocumentKey, document: StoredDocument, onConflict: string) =>
    sql.run(
      `INSERT INTO ${whole(shape)} (owner, id, revision, purge_at, json) VALUES (?, ?, ?, ?, ?) ON CONFLICT ${onConflict}`,
      ...[owner, id, document.revision, document.purgeAt, document.json],
    ) > 0;

  return {
    forget,

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
