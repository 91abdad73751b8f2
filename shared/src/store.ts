/**
 * The store: where ended tasks live after Redis, and conversations always. MongoDB, or an embedded SQLite file; one
 * contract suite (`store/contract.ts`) says what both do. Every read and write takes the owner, and what is another one's
 * reads as none. All writes may be sent twice. Client values are values, never operators or patterns.
 *
 * Whoever calls it may meet `unavailable` (a TaskError): the store is away or slower than STORE_TIMEOUT_MS. Opening one
 * never waits and never fails: it connects, and makes its tables or indexes, when it is first used.
 */
import type { LogEntry } from './event.ts';
import type { FeatureMode, Message, Session, Summary } from './session.ts';
import type { Status, TaskRecord } from './task.ts';

/** An ended task with all it leaves. Texts are JSON; the input is null when it was too large to keep. */
export type ArchivedTask = {
  record: TaskRecord;
  input: string | null;
  timeoutMs: number;
  /** The event log; an entry whose `prev` is not the entry before it follows events that were cut. */
  events: LogEntry[];
};

export type TaskStore = {
  /** Puts ended tasks, all or none; those it has, also purged ones, stay as they are. */
  put(tasks: ArchivedTask[]): Promise<void>;
  /** `purged`: it was this owner's and is past the retention. `listed` leaves the output out. */
  read(owner: string, id: string, place: 'whole' | 'listed'): Promise<TaskRecord | 'purged' | null>;
  /** To make another task of it. */
  readRequest(owner: string, id: string): Promise<{ input: string | null; timeoutMs: number } | null>;
  readEvents(owner: string, id: string): Promise<LogEntry[] | null>;
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

export type MessageStore = {
  /**
   * Adds a turn: messages that are there already are passed over, and count nothing. `turn` names it (a task id or a message id).
   * The session as it is after it; null when there is none, then nothing was added.
   */
  append(
    owner: string,
    sessionId: string,
    turn: { id: string; messages: Message[]; tokens: number; now: number },
  ): Promise<Session | null>;
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

/** Small documents of an owner by name, as JSON text. */
export type SettingStore = {
  get(owner: string, name: string): Promise<string | null>;
  put(owner: string, name: string, json: string): Promise<void>;
  delete(owner: string, name: string): Promise<void>;
};

export type Store = {
  kind: 'mongo' | 'sqlite';
  tasks: TaskStore;
  sessions: SessionStore;
  messages: MessageStore;
  settings: SettingStore;
  /** Resolves when it answers now; throws `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
};
