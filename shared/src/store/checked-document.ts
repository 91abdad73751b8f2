/** A document between its schema and the store: checked on its way in, parsed on its way out. */
import { nanoid } from 'nanoid';
import { z } from 'zod';
import { TaskError } from '../errors.ts';
import type { CollectionDefinition, IndexValue } from '../store.ts';
import type { StoredDocument } from './documents.ts';

/** As JSON. */
export const MAX_DOCUMENT_BYTES = 1024 * 1024;

const MAX_NAMED = 20;
const DAY_MS = 24 * 60 * 60_000;

type Definition<Schema extends z.ZodType<object>> = CollectionDefinition<Schema, 'required' | 'none'>;

const wellFormed = (value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value);

/** What a document has in a field; null where it has nothing. */
export function valueAt(document: object, field: string): IndexValue | null {
  let value: unknown = document;
  for (const name of field.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value === undefined || value === null ? null : indexValue(value, field);
}

/** A value on its way into an index or a query. Types end at run time: an object here could be an operator. */
export function indexValue(value: unknown, field: string): IndexValue {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'boolean' || Number.isFinite(value)) return value as boolean | number;
  throw new TypeError(`The store takes a text, a number or a boolean as ${field}.`);
}

/** Throws `invalid_request`, with every bad field, where the schema does not take it, or it is too large. */
export function toStored<Schema extends z.ZodType<object>>(
  { name, schema, indexes, retention }: Definition<Schema>,
  given: z.input<Schema>,
): { value: z.output<Schema>; document: StoredDocument } {
  const result = schema.safeParse(given);
  if (!result.success) {
    const fields = result.error.issues
      .slice(0, MAX_NAMED)
      .map(({ path, message }) => ({ path: z.core.toDotPath(path), message }));
    const said = fields.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
    throw new TaskError('invalid_request', `This is not valid as one of ${name}: ${said}`, { fields });
  }
  const value = result.data;
  const json = JSON.stringify(value, (_, inner) => wellFormed(inner));
  if (Buffer.byteLength(json) > MAX_DOCUMENT_BYTES) {
    throw new TaskError('invalid_request', `One of ${name} has at most ${MAX_DOCUMENT_BYTES} bytes as JSON.`);
  }
  const entries = indexes.map((fields) => {
    const values = fields.map((field) => valueAt(value, field));
    return values.includes(null) ? null : (values as IndexValue[]);
  });
  const since = retention ? valueAt(value, retention.field) : null;
  if (since !== null && typeof since !== 'number')
    throw new TypeError(`${retention?.field} of ${name} is no time in ms.`);
  const purgeAt = since === null ? null : since + (retention?.days ?? 0) * DAY_MS;
  return { value, document: { json, revision: nanoid(), purgeAt, entries } };
}

/** Throws `internal` where the schema does not take what is stored: it became stricter than what was written by it. */
export function fromStored<Schema extends z.ZodType<object>>(
  { name, schema }: Definition<Schema>,
  id: string,
  json: string,
): z.output<Schema> {
  const result = schema.safeParse(JSON.parse(json));
  if (result.success) return result.data;
  const cause = new Error(`${name} ${JSON.stringify(id)}: ${z.prettifyError(result.error)}`);
  throw new TaskError('internal', 'Something that is stored cannot be read any more.', { cause });
}
