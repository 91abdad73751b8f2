/**
 * How text is searched, the same in every store: a query is found wherever its letters stand in a text, case folded, in any
 * script. A store finds candidates by trigrams, which it keeps as an index, and checks each by `contains`.
 */

/** Of a body, this much is searched. */
export const MAX_SEARCHED = 200_000;
/**
 * Different grams that are kept of a text, and of all texts of one turn. Speech has far fewer; random letters have as many as
 * letters, and an index takes about 10 µs for each, in a transaction that every other writer waits for.
 */
export const MAX_GRAMS = 20_000;
export const MAX_TURN_GRAMS = 100_000;
/**
 * Bounds of one search: the newest candidates, and letters, that a store compares. A query whose parts are frequent, but rarely
 * stand together, may miss what is older.
 */
export const MAX_CANDIDATES = 5_000;
export const MAX_COMPARED = 20_000_000;
/** Ends a text in its grams, so that its last one and two letters begin a gram too. */
const END = '\u0000';

/** The form in which texts are compared: composed, lower case, half letters as U+FFFD, as which stores keep them. */
export const fold = (text: string) => text.slice(0, MAX_SEARCHED).normalize('NFC').toLowerCase().toWellFormed();

/** The first three letters in a row of a text, each once, up to `most`; of its last two letters, with the end. */
export function gramsOf(text: string, most = MAX_GRAMS): string[] {
  const letters = [...fold(text), END, END];
  const grams = new Set<string>();
  for (let i = 0; i + 2 < letters.length && grams.size < most; i++) grams.add(letters.slice(i, i + 3).join(''));
  return [...grams];
}

/** The grams of the texts of one turn, in their order: of too many each text has its part, and what a short one leaves is the next one's. */
export function turnGrams(texts: string[]): string[][] {
  let left = MAX_TURN_GRAMS;
  return texts.map((text, index) => {
    const grams = gramsOf(text, Math.min(MAX_GRAMS, Math.floor(left / (texts.length - index))));
    left -= grams.length;
    return grams;
  });
}

/**
 * What the grams of a text that contains the query have: all of these grams or, of a query of one or two letters, one that begins
 * with it.
 */
export function wantedGrams(query: string): { all: string[] } | { prefix: string } {
  const folded = fold(query);
  const letters = [...folded];
  if (letters.length < 3) return { prefix: folded };
  const grams = new Set<string>();
  for (let i = 0; i + 2 < letters.length; i++) grams.add(letters.slice(i, i + 3).join(''));
  return { all: [...grams] };
}

export const contains = (text: string, query: string) => fold(text).includes(fold(query));
