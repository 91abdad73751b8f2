/** Sessions in SQLite. */

import type { FeatureMode, Session } from '../../session.ts';
import { MAX_COUNTED, type SessionFilter, type SessionSort, type SessionStore } from '../../store.ts';
import { trigramsOf } from '../search-text.ts';
import { removeMessages } from './message-index.ts';
import type { CallInPieces, Pieces, Sync } from './nouns.ts';
import type { Row, Sql, SqlValue } from './schema.ts';
import { addTrigrams, freePlace, searchTrigrams } from './trigrams.ts';

const INDEX_OF: Record<SessionSort, string> = {
  updated_at: 'sessions_updated',
  created_at: 'sessions_created',
  total_tokens: 'sessions_tokens',
  message_count: 'sessions_messages',
};

function sessionOf(row: Row): Session {
  return {
    id: row.id as string,
    owner: row.owner as string,
    title: row.title as string | null,
    titleBy: row.title_by as Session['titleBy'],
    featureMode: row.feature_mode as FeatureMode,
    model: row.model as string | null,
    featureOptions: row.feature_options as string,
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
    totalTokens: row.total_tokens as number,
    messageCount: row.message_count as number,
    summary:
      row.summary_up_to === null
        ? null
        : {
            text: row.summary as string,
            upTo: row.summary_up_to as string,
            messages: row.summary_messages as number,
            createdAt: row.summary_created_at as number,
          },
  };
}

export function readSession(sql: Sql, owner: string, id: string): Session | null {
  const row = sql.get('SELECT * FROM sessions WHERE owner = ? AND id = ?', owner, id);
  return row ? sessionOf(row) : null;
}

/** The row number of a session, to which its messages are tied; null when this owner has none of that id. */
export function placeOf(sql: Sql, owner: string, id: string): number | null {
  return (sql.get('SELECT place FROM sessions WHERE owner = ? AND id = ?', owner, id)?.place ?? null) as number | null;
}

/** Messages that are deleted in one piece: a few milliseconds. */
const DELETED_AT_ONCE = 100;

/** Removes messages of a session that is gone, as far as one piece takes it; true when there are more. */
function removeSome(sql: Sql, session: number): boolean {
  const some = sql.all('SELECT place FROM messages WHERE session = ? LIMIT ?', session, DELETED_AT_ONCE);
  removeMessages(
    sql,
    some.map(({ place }) => place as number),
  );
  if (some.length === DELETED_AT_ONCE) return true;
  sql.run('DELETE FROM deletions WHERE session = ?', session);
  return false;
}

/** Ends a deletion that was begun, by whomever. */
export function* deleteInPieces(sql: Sql, session: number): Pieces {
  while (removeSome(sql, session)) yield;
}

/** One text for every filter, so that few statements serve all. */
const MATCHING = `owner = ? AND feature_mode = coalesce(?, feature_mode) AND updated_at >= ? AND updated_at <= ?
  AND total_tokens >= ? AND total_tokens <= ? AND message_count >= ? AND message_count <= ?`;

function valuesOf(owner: string, filter: SessionFilter): SqlValue[] {
  const { featureMode, updatedFrom, updatedTo, minTokens, maxTokens, minMessages, maxMessages } = filter;
  const range = (from: number | undefined, to: number | undefined) => [from ?? -Infinity, to ?? Infinity];
  return [
    owner,
    featureMode ?? null,
    ...range(updatedFrom, updatedTo),
    ...range(minTokens, maxTokens),
    ...range(minMessages, maxMessages),
    ...(filter.ids === undefined ? [] : [JSON.stringify(filter.ids.map((id) => id.toWellFormed()))]),
  ];
}

export function sqliteSessions(sql: Sql): Sync<SessionStore, 'delete'> {
  function* restLater(session: number): CallInPieces<boolean> {
    yield { answer: true };
    yield* deleteInPieces(sql, session);
    return true;
  }

  return {
    create(session) {
      if (placeOf(sql, session.owner, session.id) !== null) return;
      const { owner, id, title, summary } = session;
      const place = freePlace(sql, 'sessions', id, session.createdAt);
      sql.run(
        `INSERT INTO sessions (place, owner, id, feature_mode, created_at, updated_at, total_tokens, message_count,
           title, title_by, model, feature_options, summary, summary_up_to, summary_messages, summary_created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[place, owner, id, session.featureMode, session.createdAt, session.updatedAt],
        ...[session.totalTokens, session.messageCount, title, session.titleBy, session.model, session.featureOptions],
        ...[summary?.text ?? null, summary?.upTo ?? null, summary?.messages ?? null, summary?.createdAt ?? null],
      );
      sql.run(
        'INSERT INTO owners (owner, sessions) VALUES (?, 1) ON CONFLICT DO UPDATE SET sessions = sessions + 1',
        owner,
      );
      addTrigrams(sql, 'title_trigrams', owner, place, trigramsOf(title ?? ''));
    },

    read: (owner, id) => readSession(sql, owner, id),

    list(owner, filter, { sort, limit, skip }) {
      // A list of ids is short: it is looked up and sorted. Else the index of the order is walked.
      const [index, ids] =
        filter.ids === undefined ? [INDEX_OF[sort], ''] : ['sessions_id', 'AND id IN (SELECT value FROM json_each(?))'];
      const matching = `FROM sessions INDEXED BY ${index} WHERE ${MATCHING} ${ids}`;
      const values = valuesOf(owner, filter);
      const rows = sql.all(
        `SELECT * ${matching} ORDER BY ${sort} DESC, id DESC LIMIT ? OFFSET ?`,
        ...[...values, limit, skip],
      );
      const all = Object.values(filter).every((wanted) => wanted === undefined);
      const count = all
        ? sql.get('SELECT min(sessions, ?) AS total FROM owners WHERE owner = ?', MAX_COUNTED, owner)
        : sql.get(`SELECT count(*) AS total FROM (SELECT 1 ${matching} LIMIT ${MAX_COUNTED})`, ...values);
      return { sessions: rows.map(sessionOf), total: (count?.total ?? 0) as number };
    },

    setTitle(owner, id, title, by, now) {
      const changed = sql.get(
        `UPDATE sessions SET title = ?, title_by = ?, updated_at = max(updated_at, ?)
         WHERE owner = ? AND id = ? AND (? = 'client' OR title_by IS NOT 'client') RETURNING place`,
        ...[title, by, now, owner, id, by],
      );
      if (changed) {
        const place = changed.place as number;
        sql.run('DELETE FROM title_trigrams WHERE rowid = ?', place);
        addTrigrams(sql, 'title_trigrams', owner, place, trigramsOf(title));
      }
      return readSession(sql, owner, id);
    },

    setSummary(owner, id, { text, upTo, messages, createdAt }) {
      sql.run(
        `UPDATE sessions SET summary = ?, summary_up_to = ?, summary_messages = ?, summary_created_at = ?
         WHERE owner = ? AND id = ? AND (summary_up_to IS NULL OR summary_up_to < ?)`,
        ...[text, upTo, messages, createdAt, owner, id, upTo],
      );
      return readSession(sql, owner, id);
    },

    delete(owner, id) {
      const place = placeOf(sql, owner, id);
      if (place === null) return false;
      // Without this row nothing finds its messages any more; its place stays taken until they are gone.
      sql.run('INSERT INTO deletions (session, owner) VALUES (?, ?)', place, owner);
      sql.run('DELETE FROM title_trigrams WHERE rowid = ?', place);
      sql.run('DELETE FROM turn_ends WHERE session = ?', place);
      sql.run('DELETE FROM sessions WHERE place = ?', place);
      sql.run('UPDATE owners SET sessions = sessions - 1 WHERE owner = ?', owner);
      return removeSome(sql, place) ? restLater(place) : true;
    },

    titled(owner, query, limit) {
      return searchTrigrams(sql, { table: 'title_trigrams', owner, query, limit }, (place) => {
        const row = sql.get('SELECT id, title FROM sessions WHERE place = ? AND owner = ?', place, owner);
        return row && { text: row.title as string, found: row.id as string };
      }).sort((a, b) => (a < b ? 1 : -1));
    },
  };
}
