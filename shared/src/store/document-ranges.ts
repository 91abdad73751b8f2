/** What is asked of a collection, as ranges of one of its indexes. A page begins behind its cursor: a value, and an id of that value. */
import { TaskError } from '../errors.ts';
import type { DocumentFilter, DocumentPage, IndexValue } from '../store.ts';
import { indexValue } from './checked-document.ts';
import type { CollectionShape, DocumentRange } from './documents.ts';

/** `after` is null in lists by id. */
type Cursor = { after: IndexValue | null; id: string };
type Range = Omit<DocumentRange, 'limit'>;

export const cursorOf = (after: IndexValue | null, id: string) =>
  Buffer.from(JSON.stringify([after, id])).toString('base64url');

function parseCursor(text: string, byField: boolean): Cursor {
  try {
    const [after, id] = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (typeof id === 'string' && (after !== null) === byField) {
      return { after: byField ? indexValue(after, 'cursor') : null, id: id.toWellFormed() };
    }
  } catch {}
  throw new TaskError('invalid_request', 'The cursor is not one of this list.');
}

/** The fields of the index that has exactly these, the ordered one last. */
function indexFor({ name, indexes }: CollectionShape, where: string[], by: string | undefined): string[] {
  const wanted = by === undefined ? where : [...where, by];
  const serves = (fields: string[]) =>
    fields.length === wanted.length &&
    wanted.every((field) => fields.includes(field)) &&
    (by === undefined || fields.at(-1) === by);
  const found = wanted.length === 0 ? [] : indexes.find(serves);
  if (found) return found;
  throw new TypeError(
    `${name} has no index of ${where.join(', ') || 'nothing'}${by === undefined ? '' : ` by ${by}`}.`,
  );
}

/** All that a filter matches, ascending. */
export function rangeOf<Document>(shape: CollectionShape, filter: DocumentFilter<Document>): Range {
  const { by, from, below } = filter;
  const where = Object.entries<IndexValue | undefined>(filter.where ?? {});
  const names = where.map(([field]) => field);
  const index = indexFor(shape, names, by);
  if (by === undefined && (from !== undefined || below !== undefined)) {
    throw new TypeError('Bounds are those of a field that a list is ordered by.');
  }
  const values = new Map(where.map(([field, value]) => [field, indexValue(value, field)]));
  return {
    index,
    equals: index.slice(0, names.length).map((field) => values.get(field) as IndexValue),
    bounds: {
      ...(from === undefined ? {} : { gte: indexValue(from, 'from') }),
      ...(below === undefined ? {} : { lt: indexValue(below, 'below') }),
    },
    ids: {},
    descending: false,
  };
}

/** One after the other they are what a page may show: those of the cursor's own value behind its id, then all behind that value. */
export function rangesOf<Document>(shape: CollectionShape, page: DocumentPage<Document>): Range[] {
  const { by, descending = false } = page;
  const all = { ...rangeOf(shape, page), descending };
  if (page.cursor === undefined || page.cursor === null) return [all];
  const { after, id } = parseCursor(page.cursor, by !== undefined);
  const ids = descending ? { lt: id } : { gt: id };
  if (after === null) return [{ ...all, ids }];
  const bounds = { ...all.bounds, ...(descending ? { lt: after } : { gt: after }) };
  return [
    { ...all, equals: [...all.equals, after], bounds: {}, ids },
    { ...all, bounds },
  ];
}
