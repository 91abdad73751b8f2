/**
 * Search in MongoDB: documents keep the trigrams of their text as an array, with an index over owner and trigram. One trigram
 * of the query, the rarest of a few that are tried, is looked up in it, the newest first; the server drops what has not the
 * others, and what is left is checked letter by letter. A query of one or two letters is a range of trigrams.
 * (The server's own text index knows words only, which is no use in Korean.)
 *
 * Bounds: a text has its first trigrams alone (search-text.ts), so what stands only behind them (in a text of more than that many,
 * such as random letters) is not found. A call checks MAX_CANDIDATES documents at most; of a longer list the older are left out.
 */
import type { Collection, Document, Filter } from 'mongodb';
import { wantedTrigrams } from '../search-text.ts';
import { type Collections, text } from './schema.ts';

export const MAX_CANDIDATES = 2_000;
/** Trigrams of a query that are looked at, and how many of them are counted, and how far, to find the rarest. */
const MAX_WANTED = 12;
const MAX_TRIED = 6;
const COUNTED_TO = 1_000;

/** At most `most` of them, from everywhere in the list. */
function spread(values: string[], most: number): string[] {
  if (values.length <= most) return values;
  return Array.from({ length: most }, (_, i) => values[Math.floor((i * values.length) / most)] as string);
}

/** The smallest text that is larger than all that begin with this one; undefined when there is none. */
function behind(prefix: string): string | undefined {
  const letters = [...prefix];
  const last = letters.pop()?.codePointAt(0) ?? 0;
  if (last >= 0x10_ff_ff) return undefined;
  // Surrogates are no letters.
  const next = last === 0xd7_ff ? 0xe0_00 : last + 1;
  return letters.join('') + String.fromCodePoint(next);
}

/** Of an owner's documents those that may contain the query. It is not empty. */
export async function candidates<D extends Document & { owner?: string; trigrams: string[] }>(
  collection: Collection<D>,
  { read }: Collections,
  owner: string,
  query: string,
): Promise<Filter<D>> {
  const wanted = wantedTrigrams(text(query).toWellFormed());
  const filter = (rest: Document) => ({ owner: text(owner), ...rest }) as Filter<D>;
  if ('prefix' in wanted) {
    const end = behind(wanted.prefix);
    return filter({ trigrams: { $elemMatch: { $gte: wanted.prefix, ...(end === undefined ? {} : { $lt: end }) } } });
  }
  const trigrams = spread(wanted.all, MAX_WANTED);
  const tried = spread(trigrams, MAX_TRIED);
  const counts = await Promise.all(
    tried.map((trigram) => collection.countDocuments(filter({ trigrams: trigram }), { ...read, limit: COUNTED_TO })),
  );
  const rarest = tried[counts.indexOf(Math.min(...counts))] as string;
  const others = trigrams.filter((trigram) => trigram !== rarest);
  if (others.length === 0) return filter({ trigrams: rarest });
  // As an expression, so that no index is chosen for these; as literals, since a text may begin with `$`.
  const has = (trigram: string) => ({ $in: [{ $literal: trigram }, { $ifNull: ['$trigrams', []] }] });
  return filter({ trigrams: rarest, $expr: { $and: others.map(has) } });
}
