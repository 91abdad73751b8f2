/** Messages in SQLite. */

import type { Message } from '../../session.ts';
import type { MessageStore } from '../../store.ts';
import { turnTrigrams } from '../search-text.ts';
import type { Sync } from './nouns.ts';
import type { Row, Sql, SqlValue } from './schema.ts';
import { placeOf, readSession } from './sessions.ts';
import { addTrigrams, freePlace, searchTrigrams } from './trigrams.ts';

const textOf = (row: Row) => (row.text ?? JSON.parse(row.content as string)) as string;

function messageOf(row: Row): Message {
  const parsed = (name: string) => (row[name] === null ? null : JSON.parse(row[name] as string));
  return {
    id: row.id as string,
    role: row.role as Message['role'],
    content: row.content as string,
    text: textOf(row),
    model: row.model as string | null,
    usage: parsed('usage'),
    metadata: row.metadata as string,
    task: parsed('task'),
    createdAt: row.created_at as number,
  };
}

const jsonOrNull = (value: unknown) => (value === null ? null : JSON.stringify(value));

function addMessage(sql: Sql, owner: string, session: number, message: Message, trigrams: string[]) {
  const { id, role, content, text, model, usage, metadata, task, createdAt } = message;
  const place = freePlace(sql, 'messages', id, createdAt);
  sql.run(
    `INSERT INTO messages (place, session, id, role, created_at, model, usage, task, metadata, text, content)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[place, session, id, role, createdAt, model, jsonOrNull(usage), jsonOrNull(task), metadata],
    ...[content === JSON.stringify(text) ? null : text, content],
  );
  addTrigrams(sql, 'message_trigrams', owner, place, trigrams);
}

export function sqliteMessages(sql: Sql): Sync<MessageStore> {
  const some = (owner: string, sessionId: string, condition: string, values: SqlValue[], limit: number) =>
    sql
      .all(
        `SELECT * FROM messages WHERE session = (SELECT place FROM sessions WHERE owner = ? AND id = ?) AND ${condition} LIMIT ?`,
        ...[owner, sessionId, ...values, limit],
      )
      .map(messageOf);
  return {
    append(owner, sessionId, { messages, tokens, now }) {
      const session = placeOf(sql, owner, sessionId);
      if (session === null) return null;
      const isThere = (id: string) => sql.get('SELECT 1 FROM messages WHERE session = ? AND id = ?', session, id);
      const seen = new Set<string>();
      const fresh = messages.filter(({ id }) => !seen.has(id) && seen.add(id) && !isThere(id));
      for (const [index, trigrams] of turnTrigrams(fresh.map(({ text }) => text)).entries()) {
        addMessage(sql, owner, session, fresh[index] as Message, trigrams);
      }
      if (fresh.length > 0) {
        sql.run(
          `UPDATE sessions SET message_count = message_count + ?, updated_at = max(updated_at, ?),
             total_tokens = min(total_tokens + ?, ${Number.MAX_SAFE_INTEGER})
           WHERE place = ?`,
          ...[fresh.length, now, tokens, session],
        );
      }
      return readSession(sql, owner, sessionId);
    },

    page(owner, sessionId, { limit, before }) {
      const newest =
        before === null
          ? some(owner, sessionId, 'true ORDER BY id DESC', [], limit)
          : some(owner, sessionId, 'id < ? ORDER BY id DESC', [before], limit);
      return newest.reverse();
    },

    range(owner, sessionId, { after, before, limit }) {
      return after === null
        ? some(owner, sessionId, 'id < ? ORDER BY id', [before], limit)
        : some(owner, sessionId, 'id > ? AND id < ? ORDER BY id', [after, before], limit);
    },

    matching(owner, query, limit) {
      return searchTrigrams(sql, { table: 'message_trigrams', owner, query, limit }, (place) => {
        const row = sql.get(
          `SELECT m.id, s.id AS session_id, text, CASE WHEN text IS NULL THEN content END AS content
           FROM messages m JOIN sessions s ON s.place = m.session WHERE m.place = ? AND owner = ?`,
          ...[place, owner],
        );
        return row && { text: textOf(row), found: { sessionId: row.session_id as string, id: row.id as string } };
      }).sort((a, b) => (a.id < b.id ? 1 : -1));
    },
  };
}
