/**
 * The index of letters in SQLite: full-text tables whose words are trigrams (search-text.ts). A word is the owner's number and the
 * trigram's letters, each in digits of a fixed width: any script survives the tokenizer, a prefix of it is a shorter query,
 * and what one owner wrote costs another one's search nothing.
 */

import { timeOf } from '../../task-id.ts';
import { foldText } from '../fold-text.ts';
import { MAX_CANDIDATES, MAX_COMPARED, OVERLAP, wantedTrigrams } from '../search-text.ts';
import type { Sql } from './schema.ts';

export type TrigramTable = 'message_trigrams' | 'title_trigrams';

/** Of a query, this many trigrams choose the candidates; all of it is compared with each. */
const MAX_WANTED = 32;

const OWNER_WIDTH = 6;
const LETTER_WIDTH = 4;
const digits = (n: number, width: number) => n.toString(36).padStart(width, '0');
const wordOf = (owner: number, letters: string) =>
  digits(owner, OWNER_WIDTH) + [...letters].map((letter) => digits(letter.codePointAt(0) ?? 0, LETTER_WIDTH)).join('');

function ownerNumber(sql: Sql, owner: string): number | undefined {
  return sql.get('SELECT number FROM owners WHERE owner = ?', owner)?.number as number | undefined;
}

/** Of an owner who has had a session. */
export function addTrigrams(sql: Sql, table: TrigramTable, owner: string, place: number, trigrams: string[]) {
  if (trigrams.length === 0) return;
  const number = ownerNumber(sql, owner) as number;
  const words = trigrams.map((trigram) => wordOf(number, trigram));
  sql.run(`INSERT INTO ${table} (rowid, trigrams) VALUES (?, ?)`, place, words.join(' '));
}

/** The full-text query: words of digits only. */
function matchOf(owner: number, query: string): string {
  const wanted = wantedTrigrams(query, OVERLAP);
  if ('prefix' in wanted) return `${wordOf(owner, wanted.prefix)}*`;
  const step = Math.max(1, wanted.all.length / MAX_WANTED);
  const some = Array.from(
    { length: Math.min(MAX_WANTED, wanted.all.length) },
    (_, i) => wanted.all[Math.floor(i * step)],
  );
  return some.map((trigram) => wordOf(owner, trigram ?? '')).join(' AND ');
}

/** What was found where the text contains the query, the highest place first. `look` gives a place's text. */
export function searchTrigrams<T>(
  sql: Sql,
  search: { table: TrigramTable; owner: string; query: string; limit: number },
  look: (place: number) => { text: string; found: T } | undefined,
): T[] {
  const { table, owner, query, limit } = search;
  const wanted = foldText(query);
  const number = ownerNumber(sql, owner);
  if (wanted === '' || number === undefined) return [];
  const found: T[] = [];
  let candidates = 0;
  let letters = 0;
  const text = `SELECT rowid AS place FROM ${table} WHERE ${table} MATCH ? ORDER BY rowid DESC`;
  for (const { place } of sql.each(text, matchOf(number, query))) {
    if (found.length >= limit || candidates >= MAX_CANDIDATES || letters >= MAX_COMPARED) break;
    const row = look(place as number);
    if (!row) continue;
    candidates++;
    const folded = foldText(row.text);
    letters += folded.length;
    if (folded.includes(wanted)) found.push(row.found);
  }
  return found;
}

const PLACES_PER_MS = 4;
const LAST_MS = 2 ** 50;

/** The tables that share the row numbers of one. */
const PLACES = { sessions: ['sessions', 'deletions', 'session'], messages: ['messages', 'segments', 'place'] } as const;

/**
 * A free row number that follows the time in an id, or else the one given. Rows of one millisecond that do not fit spill into the
 * next ones.
 */
export function freePlace(sql: Sql, table: 'sessions' | 'messages', id: string, createdAt: number): number {
  const ms = Math.floor(Math.min(Math.max(timeOf(id) ?? createdAt, 0), LAST_MS));
  const first = ms * PLACES_PER_MS;
  const [own, other, column] = PLACES[table];
  const taken = (place: number) =>
    sql.get(`SELECT 1 FROM ${own} WHERE place = ?`, place) !== undefined ||
    sql.get(`SELECT 1 FROM ${other} WHERE ${column} = ?`, place) !== undefined;
  for (let place = first; place < first + PLACES_PER_MS; place++) if (!taken(place)) return place;
  // However many there are, a few tries find one: the window doubles.
  for (let width = PLACES_PER_MS; ; width *= 2) {
    const place = first + Math.floor(Math.random() * width);
    if (!taken(place)) return place;
  }
}
