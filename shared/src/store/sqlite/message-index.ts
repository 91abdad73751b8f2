/**
 * The letters of messages in the index, a segment of a text at a time: a text of noise takes tens of milliseconds, for which
 * nobody else is to wait. What is left stands in `unindexed`, written with the messages, so that who dies in the middle loses nothing.
 */
import { SEGMENT_TRIGRAMS, segmentsOf, trigramShares } from '../search-text.ts';
import type { Pieces } from './nouns.ts';
import type { Row, Sql } from './schema.ts';
import { addTrigrams, freePlace } from './trigrams.ts';

/** Trigrams of a piece: about 10 ms. */
const PIECE_TRIGRAMS = SEGMENT_TRIGRAMS;
/** A turn of fewer letters is looked at at once: it may have no more trigrams than a piece. */
const SHORT_LETTERS = 4 * PIECE_TRIGRAMS;

export type Placed = { place: number; text: string };

export const textOf = (row: Row) => (row.text ?? JSON.parse(row.content as string)) as string;

/** The texts of a turn, which were just added: at once when they are short; else they are left. */
export function beginIndex(sql: Sql, owner: string, turn: Placed[]) {
  if (turn.reduce((sum, { text }) => sum + text.length, 0) <= SHORT_LETTERS) {
    const whole = turn.map(({ place, text }) => ({ place, segments: [...segmentsOf(text, Number.POSITIVE_INFINITY)] }));
    const isOnePiece = whole.every(({ segments }) => segments.length <= 1);
    if (isOnePiece && whole.reduce((sum, { segments }) => sum + (segments[0]?.length ?? 0), 0) <= PIECE_TRIGRAMS) {
      for (const { place, segments } of whole) addTrigrams(sql, 'message_trigrams', owner, place, segments[0] ?? []);
      return;
    }
  }
  const shares = trigramShares(turn.map(({ text }) => text.length));
  for (const [index, { place }] of turn.entries()) {
    sql.run('INSERT INTO unindexed (message, owner, most, done) VALUES (?, ?, ?, 0)', place, owner, shares[index] ?? 0);
  }
}

export const isUnindexed = (sql: Sql, message: number) =>
  sql.get('SELECT 1 FROM unindexed WHERE message = ?', message) !== undefined;

/** Indexes what is left of these messages. Another process may be at it, too: each segment is added once. */
export function* indexInPieces(sql: Sql, messages: number[]): Pieces {
  let room = PIECE_TRIGRAMS;
  for (const message of messages) {
    const left = sql.get(
      `SELECT id, created_at, most, text, CASE WHEN text IS NULL THEN content END AS content
       FROM unindexed JOIN messages ON place = message WHERE message = ?`,
      message,
    );
    let at = 0;
    for (const trigrams of left ? segmentsOf(textOf(left), left.most as number) : []) {
      if (trigrams.length > room) {
        yield;
        room = PIECE_TRIGRAMS;
      }
      room -= trigrams.length;
      addSegment(sql, { ...left, message }, at++, trigrams);
    }
    sql.run('DELETE FROM unindexed WHERE message = ?', message);
  }
}

function addSegment(sql: Sql, message: Row, at: number, trigrams: string[]) {
  const place = message.message as number;
  const next = sql.get(
    'UPDATE unindexed SET done = done + 1 WHERE message = ? AND done = ? RETURNING owner',
    ...[place, at],
  );
  // Another process has added it, or the message is gone.
  if (!next) return;
  const own = at === 0 ? place : freePlace(sql, 'messages', message.id as string, message.created_at as number);
  if (at > 0) sql.run('INSERT INTO segments (place, message) VALUES (?, ?)', own, place);
  addTrigrams(sql, 'message_trigrams', next.owner as string, own, trigrams);
}

/** Removes messages, and what the index has of them. */
export function removeMessages(sql: Sql, messages: number[]) {
  const these = JSON.stringify(messages);
  const some = 'SELECT value FROM json_each(?)';
  const segments = `SELECT place FROM segments WHERE message IN (${some})`;
  sql.run(`DELETE FROM message_trigrams WHERE rowid IN (${segments})`, these);
  sql.run(`DELETE FROM message_trigrams WHERE rowid IN (${some})`, these);
  sql.run(`DELETE FROM segments WHERE message IN (${some})`, these);
  sql.run(`DELETE FROM unindexed WHERE message IN (${some})`, these);
  sql.run(`DELETE FROM messages WHERE place IN (${some})`, these);
}
