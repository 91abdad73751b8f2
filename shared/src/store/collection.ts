/**
 * Stored nouns that are declared in one place. `defineCollection` says what a document is and what it is found by; here
 * documents are checked and parsed, and a list is cut into ranges of an index, the same for every engine (documents.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { TaskError } from '../errors.ts';
import {
  type Collection,
  type CollectionDefinition,
  type DocumentFilter,
  type DocumentPage,
  MAX_COUNTED,
  type Store,
} from '../store.ts';
import { fromStored, toStored, valueAt } from './checked-document.ts';
import { cursorOf, rangeOf, rangesOf } from './document-ranges.ts';
import type { CollectionShape, DocumentKey, DocumentStore } from './documents.ts';

/** Of an owner, and of an id. */
export const MAX_ID_LENGTH = 512;
/** Documents of one page; it may have fewer, with a cursor to go on, where they are large. */
export const MAX_PAGE = 500;

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const FIELD = /^[A-Za-z]\w*(\.[A-Za-z]\w*)?$/;
const MAX_NAME_LENGTH = 40;
const MAX_FIELDS = 4;
/** How often a document may be found changed by others. Between two tries is a pause, of random length and longer each time. */
const MAX_TRIES = 100;
const PAUSE_MS = 5;
const MAX_PAUSE_MS = 200;
const RETRY_AFTER_MS = 1_000;

type Scope = 'required' | 'none';

/** Declares a stored noun. Throws where its names could not be those of tables and indexes. */
export function defineCollection<Schema extends z.ZodType<object>, Owner extends Scope>(
  definition: CollectionDefinition<Schema, Owner>,
): CollectionDefinition<Schema, Owner> {
  const { name, indexes, retention } = definition;
  const wrong = (what: string) => new TypeError(`The collection ${name} has ${what}.`);
  if (!NAME.test(name) || name.length > MAX_NAME_LENGTH) throw wrong('a name that is not short_words_like_this');
  for (const fields of indexes) {
    if (fields.length === 0 || fields.length > MAX_FIELDS) throw wrong('an index of no field, or of too many');
    if (new Set<string>(fields).size < fields.length) throw wrong('an index that has a field twice');
  }
  const fields: string[] = [...indexes.flat(), ...(retention ? [retention.field] : [])];
  if (!fields.every((field) => FIELD.test(field))) throw wrong('an index or a retention of a field that cannot be one');
  if (retention && !(retention.days >= 0)) throw wrong('a retention that is no number of days');
  return definition;
}

/** Collections over an engine, each opened once. Two that have one name are a mistake. */
export function createCollections(documents: DocumentStore): Store['collection'] {
  const opened = new Map<string, { definition: unknown; collection: unknown }>();
  return <Schema extends z.ZodType<object>, Owner extends Scope>(definition: CollectionDefinition<Schema, Owner>) => {
    let known = opened.get(definition.name);
    if (known && known.definition !== definition) {
      throw new TypeError(`Two collections have the name ${definition.name}.`);
    }
    known ??= { definition, collection: openCollection(documents, definition) };
    opened.set(definition.name, known);
    return known.collection as Collection<z.input<Schema>, z.output<Schema>, Owner>;
  };
}

/** An owner or an id. Types end at run time: an object here could be an operator. */
function keyText(text: string): string {
  if (typeof text !== 'string') throw new TypeError('The store takes a text here.');
  if (text.length > MAX_ID_LENGTH) {
    throw new TaskError('invalid_request', `An id has at most ${MAX_ID_LENGTH} characters.`);
  }
  return text.toWellFormed();
}

function openCollection<Schema extends z.ZodType<object>, Owner extends Scope>(
  documents: DocumentStore,
  definition: CollectionDefinition<Schema, Owner>,
): Collection<z.input<Schema>, z.output<Schema>, Owner> {
  type Given = z.input<Schema>;
  type Document = z.output<Schema>;
  const shape: CollectionShape = { name: definition.name, indexes: definition.indexes.map((fields) => [...fields]) };
  const keyOf = (owner: string, id: string): DocumentKey => ({ owner: keyText(owner), id: keyText(id) });
  const stored = (given: Given) => toStored(definition, given);
  const parsed = (id: string, json: string): Document => fromStored(definition, id, json);

  async function get(key: DocumentKey) {
    const found = await documents.read(shape, key);
    return found && { document: parsed(key.id, found.json), revision: found.revision };
  }

  /** Tries until it gives something: others change the document meanwhile. */
  async function tryAgain<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const result = await attempt();
      if (result !== undefined) return result;
      await delay(Math.random() * Math.min(MAX_PAUSE_MS, PAUSE_MS * (tries + 1)));
    }
    throw new TaskError('unavailable', 'Too many change this at once.', { retryAfterMs: RETRY_AFTER_MS });
  }

  const collection = {
    async put(owner: string, id: string, given: Given) {
      await documents.put(shape, keyOf(owner, id), stored(given).document);
    },

    async insert(owner: string, id: string, given: Given) {
      const key = keyOf(owner, id);
      const mine = stored(given);
      return tryAgain(async () => {
        if (await documents.insert(shape, key, mine.document)) return { inserted: true, document: mine.value };
        const found = await get(key);
        return found ? { inserted: false, document: found.document } : undefined;
      });
    },

    async get(owner: string, id: string) {
      return (await get(keyOf(owner, id)))?.document ?? null;
    },

    async update(owner: string, id: string, change: (document: Document) => Given | null) {
      const key = keyOf(owner, id);
      return tryAgain(async () => {
        const found = await get(key);
        if (!found) return null;
        const changed = change(found.document);
        if (changed === null) return { changed: false, document: found.document };
        const mine = stored(changed);
        const replaced = await documents.replace(shape, key, found.revision, mine.document);
        return replaced ? { changed: true, document: mine.value } : undefined;
      });
    },

    async delete(owner: string, id: string) {
      return documents.delete(shape, keyOf(owner, id));
    },

    async list(owner: string, page: DocumentPage<Document>) {
      const { limit } = page;
      if (!(limit >= 1 && limit <= MAX_PAGE)) throw new RangeError(`A page has 1 to ${MAX_PAGE} documents.`);
      const found: { id: string; document: Document }[] = [];
      let goesOn = false;
      for (const range of rangesOf(shape, page)) {
        const left = limit - found.length;
        const { rows, more } = await documents.list(shape, keyText(owner), { ...range, limit: left });
        for (const { id, json } of rows) found.push({ id, document: parsed(id, json) });
        goesOn = more;
        if (more) break;
      }
      const last = found.at(-1);
      if (!goesOn || !last) return { found, next: null };
      const after = page.by === undefined ? null : valueAt(last.document, page.by);
      return { found, next: cursorOf(after, last.id) };
    },

    async count(owner: string, filter: DocumentFilter<Document>) {
      return documents.count(shape, keyText(owner), { ...rangeOf(shape, filter), limit: MAX_COUNTED });
    },
  };
  const ofNone = Object.entries(collection).map(([method, call]) => [
    method,
    (...given: unknown[]) => (call as (...given: unknown[]) => unknown)('', ...given),
  ]);
  const scoped = definition.owner === 'required' ? collection : Object.fromEntries(ofNone);
  return scoped as Collection<Given, Document, Owner>;
}
