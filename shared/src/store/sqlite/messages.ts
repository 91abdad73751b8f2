/** Messages in SQLite. */

import type { Message } from '../../session.ts';
import { compareEnds, type MessageStore, type TaskEnd, type Turn } from '../../store.ts';
import { beginIndex, indexInPieces, isUnindexed, removeMessages, textOf } from './message-index.ts';
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

/** Gives its place. `tokens`: what its turn counts, of its last message. */
function addMessage(sql: Sql, session: number, message: Message, tokens: number | null): number {
  const { id, role, content, text, model, usage, metadata, task, createdAt } = message;
  const place = freePlace(sql, 'messages', id, createdAt);
  sql.run(
    `INSERT INTO messages (place, session, id, role, created_at, model, usage, task, metadata, tokens, text, content)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[place, session, id, role, createdAt, model, jsonOrNull(usage), jsonOrNull(task), metadata, tokens],
    ...[content === JSON.stringify(text) ? null : text, content],
  );
  return place;
}

/** Adds and counts those of a turn that are not there yet. `known`: the places of the others. */
function addTurn(sql: Sql, session: number, { messages, tokens, now }: Turn) {
  const known: number[] = [];
  const fresh = new Map<string, Message>();
  for (const message of messages) {
    const found = sql.get('SELECT place FROM messages WHERE session = ? AND id = ?', session, message.id);
    if (found) known.push(found.place as number);
    else if (!fresh.has(message.id)) fresh.set(message.id, message);
  }
  const last = [...fresh.keys()].at(-1);
  const added = [...fresh.values()].map((message) => ({
    place: addMessage(sql, session, message, message.id === last ? tokens : null),
    text: message.text,
  }));
  if (added.length > 0) {
    sql.run(
      `UPDATE sessions SET message_count = message_count + ?, updated_at = max(updated_at, ?),
         total_tokens = min(total_tokens + ?, ${Number.MAX_SAFE_INTEGER})
       WHERE place = ?`,
      ...[added.length, now, tokens, session],
    );
  }
  return { known, added };
}

/** Takes away what an earlier end of a task has added. False when a later end stands: this one adds nothing. */
function replaceEarlier(sql: Sql, session: number, task: string, end: NonNullable<Turn['end']>): boolean {
  const stands = sql.get('SELECT attempt, at FROM turn_ends WHERE session = ? AND task = ?', session, task);
  const later = stands ? compareEnds(end, stands as TaskEnd) : 1;
  if (later < 0) return false;
  if (later === 0 || !end.replaces) return true;
  const earlier = sql.all(
    `SELECT place, tokens FROM messages WHERE session = ? AND json_extract(task, '$.id') = ?`,
    ...[session, task],
  );
  removeMessages(
    sql,
    earlier.map(({ place }) => place as number),
  );
  sql.run(
    'UPDATE sessions SET message_count = message_count - ?, total_tokens = total_tokens - ? WHERE place = ?',
    ...[earlier.length, earlier.reduce((sum, { tokens }) => sum + ((tokens ?? 0) as number), 0), session],
  );
  sql.run(
    'INSERT OR REPLACE INTO turn_ends (session, task, attempt, at) VALUES (?, ?, ?, ?)',
    ...[session, task, end.attempt, end.at],
  );
  return true;
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
    append(owner, sessionId, turn) {
      const session = placeOf(sql, owner, sessionId);
      if (session === null) return null;
      if (turn.end && !replaceEarlier(sql, session, turn.id, turn.end)) return readSession(sql, owner, sessionId);
      const { known, added } = addTurn(sql, session, turn);
      beginIndex(sql, owner, added);
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
