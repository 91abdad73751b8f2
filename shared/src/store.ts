/**
 * The store: where ended tasks live after Redis, and conversations always. MongoDB, or an embedded SQLite file; one
 * contract suite (`store/contract/`) says what both do. Every read and write takes the owner, and what is another one's
 * reads as none. All writes may be sent twice. Client values are values, never operators or patterns.
 *
 * Whoever calls it may meet `unavailable` (a TaskError): the store is away or slower than STORE_TIMEOUT_MS. Opening one
 * never waits and never fails: it connects, and makes its tables or indexes, when it is first used.
 */
import type { z } from 'zod';
import type { LogEntry } from './event.ts';
import type { FeatureMode, Message, Session, Summary } from './session.ts';
import type { TaskRecord } from './task.ts';
import type { Status } from './task-view.ts';

/** An ended task with all it leaves. Texts are JSON; the input is null when it was too large to keep. */
export type ArchivedTask = {
  record: TaskRecord;
  input: string | null;
  timeoutMs: number;
  /** The event log; an entry whose `prev` is not the entry before it follows events that were cut. */
  events: LogEntry[];
  /** Hashes of the Idempotency-Key (with its owner) that made it, and of what that asked for. */
  idempotency?: { hash: string; fingerprint: string };
};

/** Tasks whose end is not the one that stands, and tasks whose end has taken the place of another one, by id. */
export type PutEnds = { overtaken: string[]; replacing: string[] };

export type TaskStore = {
  /**
   * Puts ended tasks, all or none; those it has, also purged ones, stay as they are. Redis may lose an end that is here, and
   * the task ends again: the later end, by attempt and then by its time, takes the place of the earlier one with all it left.
   */
  put(tasks: ArchivedTask[]): Promise<PutEnds>;
  /** `purged`: it was this owner's and is past the retention. `listed` leaves the output out. */
  read(owner: string, id: string, place: 'whole' | 'listed'): Promise<TaskRecord | 'purged' | null>;
  /** Whose a task is, a purged one too; null when there is none. For those who may ask about every owner. */
  ownerOf(id: string): Promise<string | null>;
  /** To make another task of it. */
  readRequest(owner: string, id: string): Promise<{ input: string | null; timeoutMs: number } | null>;
  readEvents(owner: string, id: string): Promise<LogEntry[] | null>;
  /** The task that an Idempotency-Key (its hash) has made, the newest; null when there is none that can be read. */
  findByKey(owner: string, hash: string): Promise<{ id: string; fingerprint: string } | null>;
  /** Newest first, by id, without outputs; ids below `before`. */
  list(
    owner: string,
    page: { limit: number; before: string | null; type?: string | undefined; status?: Status | undefined },
  ): Promise<TaskRecord[]>;
  /** Forgets tasks that ended before a time (ms), the oldest first, but for id and owner. Gives how many. */
  purge(endedBefore: number, limit: number): Promise<number>;
};

/** Bounds are inclusive; times in ms. */
export type SessionFilter = {
  /** Only these. */
  ids?: string[];
  featureMode?: FeatureMode | undefined;
  updatedFrom?: number | undefined;
  updatedTo?: number | undefined;
  minTokens?: number | undefined;
  maxTokens?: number | undefined;
  minMessages?: number | undefined;
  maxMessages?: number | undefined;
};
export const sessionSorts = ['updated_at', 'created_at', 'total_tokens', 'message_count'] as const;
export type SessionSort = (typeof sessionSorts)[number];

/** How far matches are counted: beyond it a total says "at least". */
export const MAX_COUNTED = 10_000;

export type SessionStore = {
  create(session: Session): Promise<void>;
  read(owner: string, id: string): Promise<Session | null>;
  /** Largest first by `sort`, then newest id first. `total` counts all that match, up to MAX_COUNTED. */
  list(
    owner: string,
    filter: SessionFilter,
    page: { sort: SessionSort; limit: number; skip: number },
  ): Promise<{ sessions: Session[]; total: number }>;
  /** A model's title stands only where there is no client's. The session as it is now; null when there is none. */
  setTitle(owner: string, id: string, title: string, by: 'client' | 'model', now: number): Promise<Session | null>;
  /** Only one that reaches further than the one before stands. */
  setSummary(owner: string, id: string, summary: Summary): Promise<Session | null>;
  /** With all its messages; false when there is none. */
  delete(owner: string, id: string): Promise<boolean>;
  /** Ids of sessions whose title contains the text (case folded), the newest id first. */
  titled(owner: string, text: string, limit: number): Promise<string[]>;
};

/** The end of a task, of which the later one stands: by attempt, then by its time (ms). */
export type TaskEnd = { attempt: number; at: number };

/**
 * What is added to a session at once. `id`: the task or the message that made it. `end`, of a task: with `replaces` it takes
 * the place of what an earlier end of the task has added, and from then on an earlier end adds nothing.
 */
export type Turn = {
  id: string;
  messages: Message[];
  tokens: number;
  now: number;
  end?: TaskEnd & { replaces: boolean };
};

/** Above zero when the first end is the later one. */
export const compareEnds = (a: TaskEnd, b: TaskEnd) => a.attempt - b.attempt || a.at - b.at;

export type MessageStore = {
  /**
   * Adds a turn: messages that are there already are passed over, and count nothing. The session as it is after it; null when
   * there is none, then nothing was added.
   */
  append(owner: string, sessionId: string, turn: Turn): Promise<Session | null>;
  /** The newest `limit` before a message id (null: at all), oldest first. */
  page(owner: string, sessionId: string, page: { limit: number; before: string | null }): Promise<Message[]>;
  /** The oldest `limit` after one id (null: from the first) and before another, oldest first. */
  range(
    owner: string,
    sessionId: string,
    range: { after: string | null; before: string; limit: number },
  ): Promise<Message[]>;
  /** Messages whose text contains this one (case folded), the newest first. */
  matching(owner: string, text: string, limit: number): Promise<{ sessionId: string; id: string }[]>;
};

/** What a document is found by. */
export type IndexValue = string | number | boolean;
type Indexable = IndexValue | null | undefined;
type IndexableField<Document> = {
  [Name in keyof Document & string]-?: Document[Name] extends Indexable ? Name : never;
}[keyof Document & string];
type NestedField<Document> = {
  [Name in keyof Document & string]-?: NonNullable<Document[Name]> extends IndexValue | readonly unknown[]
    ? never
    : NonNullable<Document[Name]> extends object
      ? `${Name}.${IndexableField<NonNullable<Document[Name]>>}`
      : never;
}[keyof Document & string];
/** The fields of a document that an index may hold: `state`, or one level deeper `source.name`. */
export type Field<Document> = Document extends object ? IndexableField<Document> | NestedField<Document> : never;

/** A stored noun as `defineCollection` declares it. */
export type CollectionDefinition<Schema extends z.ZodType<object>, Owner extends 'required' | 'none'> = {
  name: string;
  /** Documents are checked by it when they are written, and parsed by it when they are read. They are JSON. */
  schema: Schema;
  /** A document is in those indexes in whose every field it has a value. */
  indexes: readonly (readonly Field<z.output<Schema>>[])[];
  /** Documents are removed so many days after the time (ms) in this field; never those that have none there. */
  retention: { field: Field<z.output<Schema>>; days: number } | null;
  /** `none`: it is the operator's, and no call of it takes an owner. */
  owner: Owner;
};

export type DocumentFilter<Document> = {
  /** Fields and what they are. */
  where?: { [Name in Field<Document>]?: IndexValue };
  /** The field whose order the list has; without one, that of the ids. With the fields of `where` it is an index. */
  by?: Field<Document>;
  /** Bounds of `by`: inclusive, and exclusive. */
  from?: IndexValue;
  below?: IndexValue;
};
export type DocumentPage<Document> = DocumentFilter<Document> & {
  limit: number;
  cursor?: string | null;
  descending?: boolean;
};

type Scope<Owner> = Owner extends 'required' ? [owner: string] : [];

/** Documents of one kind by their ids. All of it may be repeated; ids have at most MAX_ID_LENGTH characters. */
export type Collection<Given, Document, Owner> = {
  /** The last one stands. */
  put(...given: [...Scope<Owner>, id: string, document: Given]): Promise<void>;
  /** Puts it where there is none. `document` is the one that is there then: of many that insert one at once one wins. */
  insert(...given: [...Scope<Owner>, id: string, document: Given]): Promise<{ inserted: boolean; document: Document }>;
  get(...given: [...Scope<Owner>, id: string]): Promise<Document | null>;
  /**
   * Replaces the document by what `change` makes of it, if nobody else changed it meanwhile; else `change` is asked again.
   * Null leaves it as it is. Null when there is no document.
   */
  update(
    ...given: [...Scope<Owner>, id: string, change: (document: Document) => Given | null]
  ): Promise<{ changed: boolean; document: Document } | null>;
  /** False when there was none. */
  delete(...given: [...Scope<Owner>, id: string]): Promise<boolean>;
  /** In one order for every page: by the field asked for, then by id. `next` is the cursor of the page after it. */
  list(
    ...given: [...Scope<Owner>, page: DocumentPage<Document>]
  ): Promise<{ found: { id: string; document: Document }[]; next: string | null }>;
  /** Up to MAX_COUNTED. */
  count(...given: [...Scope<Owner>, filter: DocumentFilter<Document>]): Promise<number>;
};

export type Store = {
  kind: 'mongo' | 'sqlite';
  tasks: TaskStore;
  sessions: SessionStore;
  messages: MessageStore;
  /** A stored noun that is declared in one place. What it needs in the store is made when it is first used. */
  collection<Schema extends z.ZodType<object>, Owner extends 'required' | 'none'>(
    definition: CollectionDefinition<Schema, Owner>,
  ): Collection<z.input<Schema>, z.output<Schema>, Owner>;
  /** Removes documents that are past the retention of their collection (`now` in ms). Gives how many. */
  purgeDocuments(now: number, limit: number): Promise<number>;
  /** Resolves when it answers now; throws `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
};
