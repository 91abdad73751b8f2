/**
 * How text is searched, the same in every store: a query is found wherever its letters stand in a text, folded (fold-text.ts),
 * in any script. A store finds candidates by trigrams, which it keeps as an index, and checks each by `contains`.
 */
import { foldText } from './fold-text.ts';

/**
 * Different trigrams that are kept of a text, and of all texts of one turn. Speech has far fewer; random letters have as many as
 * letters, and an index takes 2 to 10 µs for each.
 */
export const MAX_TRIGRAMS = 20_000;
export const MAX_TURN_TRIGRAMS = 100_000;
/**
 * Bounds of one search: the newest candidates, and letters, that a store compares. A query whose parts are frequent, but rarely
 * stand together, may miss what is older.
 */
export const MAX_CANDIDATES = 5_000;
export const MAX_COMPARED = 20_000_000;
/** Ends a text in its trigrams, so that its last one and two letters begin a trigram too. */
const END = '\u0000';

/** The first three letters in a row of a text, each once, up to `most`; of its last two letters, with the end. */
export function trigramsOf(text: string, most = MAX_TRIGRAMS): string[] {
  const letters = [...foldText(text), END, END];
  const trigrams = new Set<string>();
  for (let i = 0; i + 2 < letters.length && trigrams.size < most; i++) trigrams.add(letters.slice(i, i + 3).join(''));
  return [...trigrams];
}

/** A part of a text that is indexed by itself has so many trigrams; it begins so many letters before the one before it ends. */
export const SEGMENT_TRIGRAMS = 3_000;
export const OVERLAP = 256;

/**
 * A text as segments, each with its trigrams, up to `most` different ones of all of them. Whatever has OVERLAP letters or fewer
 * stands whole in one of them.
 */
export function* segmentsOf(text: string, most: number): Generator<string[]> {
  const letters = [...foldText(text), END, END];
  const all = new Set<string>();
  let segment = new Set<string>();
  for (let i = 0; i + 2 < letters.length; i++) {
    const trigram = letters.slice(i, i + 3).join('');
    if (all.size >= most && !all.has(trigram)) break;
    all.add(trigram);
    segment.add(trigram);
    if (segment.size < SEGMENT_TRIGRAMS || i + 3 >= letters.length) continue;
    yield [...segment];
    segment = new Set();
    // The next trigram is the first of those that began an OVERLAP with the one after this.
    i -= OVERLAP - 3;
  }
  if (segment.size > 0) yield [...segment];
}

/** How many trigrams each text of a turn may have, by its length: of too many each has its part, and what a short one leaves is the next one's. */
export function trigramShares(lengths: number[]): number[] {
  let left = MAX_TURN_TRIGRAMS;
  return lengths.map((length, index) => {
    const share = Math.min(MAX_TRIGRAMS, Math.floor(left / (lengths.length - index)));
    left -= Math.min(share, length);
    return share;
  });
}

/** The trigrams of the texts of one turn, in their order: of too many each text has its part, and what a short one leaves is the next one's. */
export function turnTrigrams(texts: string[]): string[][] {
  let left = MAX_TURN_TRIGRAMS;
  return texts.map((text, index) => {
    const trigrams = trigramsOf(text, Math.min(MAX_TRIGRAMS, Math.floor(left / (texts.length - index))));
    left -= trigrams.length;
    return trigrams;
  });
}

/**
 * What the trigrams of a text that contains the query have: all of these trigrams or, of a query of one or two letters, one that begins
 * with it. `most`: of its letters, so many are looked at.
 */
export function wantedTrigrams(query: string, most = Number.POSITIVE_INFINITY): { all: string[] } | { prefix: string } {
  const folded = foldText(query);
  const letters = [...folded].slice(0, most);
  if (letters.length < 3) return { prefix: folded };
  const trigrams = new Set<string>();
  for (let i = 0; i + 2 < letters.length; i++) trigrams.add(letters.slice(i, i + 3).join(''));
  return { all: [...trigrams] };
}

export const contains = (text: string, query: string) => foldText(text).includes(foldText(query));
