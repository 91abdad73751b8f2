/** Messages in SQLite. */

import type { Message } from '../../session.ts';
import type { MessageStore } from '../../store.ts';
import { beginIndex, indexInPieces, isUnindexed, textOf } from './message-index.ts';
import type { CallInPieces, Sync } from './nouns.ts';
import type { Row, Sql, SqlValue } from './schema.ts';
import { placeOf, readSession } from './sessions.ts';
import { freePlace, searchTrigrams } from './trigrams.ts';

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

/** Gives its place. */
function addMessage(sql: Sql, session: number, message: Message): number {
  const { id, role, content, text, model, usage, metadata, task, createdAt } = message;
  const place = freePlace(sql, 'messages', id, createdAt);
  sql.run(
    `INSERT INTO messages (place, session, id, role, created_at, model, usage, task, metadata, text, content)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[place, session, id, role, createdAt, model, jsonOrNull(usage), jsonOrNull(task), metadata],
    ...[content === JSON.stringify(text) ? null : text, content],
  );
  return place;
}

export function sqliteMessages(sql: Sql): Sync<MessageStore, 'append'> {
  const some = (owner: string, sessionId: string, condition: string, values: SqlValue[], limit: number) =>
    sql
      .all(
        `SELECT * FROM messages WHERE session = (SELECT place FROM sessions WHERE owner = ? AND id = ?) AND ${condition} LIMIT ?`,
        ...[owner, sessionId, ...values, limit],
      )
      .map(messageOf);
  function* indexFirst<Result>(messages: number[], result: Result): CallInPieces<Result> {
    yield;
    yield* indexInPieces(sql, messages);
    return result;
  }

  return {
    append(owner, sessionId, { messages, tokens, now }) {
      const session = placeOf(sql, owner, sessionId);
      if (session === null) return null;
      const known: number[] = [];
      const fresh = new Map<string, Message>();
      for (const message of messages) {
        const found = sql.get('SELECT place FROM messages WHERE session = ? AND id = ?', session, message.id);
        if (found) known.push(found.place as number);
        else if (!fresh.has(message.id)) fresh.set(message.id, message);
      }
      const added = [...fresh.values()].map((message) => ({
        place: addMessage(sql, session, message),
        text: message.text,
      }));
      beginIndex(sql, owner, added);
      if (added.length > 0) {
        sql.run(
          `UPDATE sessions SET message_count = message_count + ?, updated_at = max(updated_at, ?),
             total_tokens = min(total_tokens + ?, ${Number.MAX_SAFE_INTEGER})
           WHERE place = ?`,
          ...[added.length, now, tokens, session],
        );
      }
      const after = readSession(sql, owner, sessionId);
      // Also those of an earlier call that was not acknowledged yet: a search finds what this one acknowledges.
      const left = [...known, ...added.map(({ place }) => place)].filter((place) => isUnindexed(sql, place));
      return left.length === 0 ? after : indexFirst(left, after);
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
      const seen = new Set<number>();
      return searchTrigrams(sql, { table: 'message_trigrams', owner, query, limit }, (found) => {
        const place = (sql.get('SELECT message FROM segments WHERE place = ?', found)?.message ?? found) as number;
        if (seen.has(place)) return undefined;
        seen.add(place);
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
