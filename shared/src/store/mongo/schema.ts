/**
 * What MongoDB holds, and how it is asked.
 *
 * The key of every document begins with the owner, so nothing can be looked up without one (but whose a task is), and what is
 * one owner's never stands in the way of another's. What a list or a search may show carries `owner` beside its key; what is being deleted, or
 * was purged, has lost it. Client texts are values only: what has names of a client's own is kept as JSON text.
 */
import type { Collection, Db, IndexDescription } from 'mongodb';
import type { IndexValue } from '../../store.ts';

/** A document by its owner and its own id. The order of the fields is part of its identity. */
export type Key = { owner: string; id: string };
export type MessageKey = { owner: string; session_id: string; id: string };
/** `end` says of which end of the task it is (endName); `piece` counts from 0. */
export type BodyKey = { owner: string; task_id: string; end: string; kind: BodyKind; piece: number };
export type BodyKind = 'input' | 'output' | 'events';
/** A text as it is, or deflated. */
export type Packed = string | Buffer;

/** Times are ms since the epoch. */
export type SessionDocument = {
  _id: Key;
  /** Absent once it is being deleted. */
  owner?: string;
  deleting?: true;
  session_id: string;
  title: string | null;
  title_by: 'client' | 'model' | null;
  feature_mode: string;
  model: string | null;
  feature_options: Packed;
  created_at: number;
  updated_at: number;
  total_tokens: number;
  message_count: number;
  summary: { text: string; up_to: string; messages: number; created_at: number } | null;
  /** Of the title. */
  trigrams: string[];
  /** The messages counted last, and how often the older of them were let go of (decision 16). */
  counted: string[];
  let_go: number;
  /** Of tasks that ended again: the end whose turn stands, and, while an earlier turn goes, which messages no longer count. */
  turn_ends?: TurnEnd[];
};

export type TurnEnd = { task: string; attempt: number; at: number; uncounted?: string[] };

export type MessageDocument = {
  _id: MessageKey;
  owner: string;
  session_id: string;
  message_id: string;
  role: string;
  text: Packed;
  /** Absent where it is exactly the text, as JSON; so a search that reads the text reads no image. */
  content?: Packed;
  model: string | null;
  usage: { input_tokens: number; output_tokens: number; estimated: boolean } | null;
  metadata: string;
  task_id: string | null;
  task_status: string | null;
  task_turn_of?: string | null;
  created_at: number;
  trigrams: string[];
  /** True once its session has let go of it; before that the session knows whether it was counted. */
  counted?: true;
  /** What its turn counts for its session: of the last message of a turn. */
  tokens?: number;
};

export type TaskDocument = {
  _id: Key;
  /** Absent once it is purged, as everything below. */
  owner?: string;
  task_id?: string;
  type?: string;
  status?: string;
  created_at?: number;
  attempt?: number;
  ended_at?: number;
  timeout_ms?: number;
  /** The record without its output. */
  record?: Packed;
  /** How many pieces each body has. */
  pieces?: Record<BodyKind, number>;
  /** Hashes of its Idempotency-Key, and of what that asked for. */
  key_hash?: string;
  fingerprint?: string;
  /** Its end has taken the place of an earlier one. */
  replaced?: true;
  /** The earlier one, while its bodies are there. */
  former?: { end: string; pieces: Record<BodyKind, number> };
};

export type BodyDocument = { _id: BodyKey; data: Packed };
/** `value0` and so on are what it has in the fields of an index. */
export type DocumentEntry = { owner: string; [value: `value${number}`]: IndexValue };
export type DocumentDocument = {
  _id: Key;
  owner: string;
  revision: string;
  purge_at?: number;
  /** By index. */
  entries: Record<string, DocumentEntry>;
  json: Packed;
};

export type Collections = {
  sessions: Collection<SessionDocument>;
  messages: Collection<MessageDocument>;
  tasks: Collection<TaskDocument>;
  bodies: Collection<BodyDocument>;
  /** Those of a stored noun. */
  documents(noun: string): Collection<DocumentDocument>;
  /** The stored nouns of which there are documents. */
  documentNames(): Promise<string[]>;
  /** Of every read: the server gives up when nobody waits any more. */
  read: { maxTimeMS: number };
};

const names = {
  sessions: 'chat_sessions',
  messages: 'messages',
  tasks: 'tasks',
  bodies: 'task_bodies',
} as const;
/** Before the name of a stored noun. */
const DOCUMENTS = 'documents_';

export const collectionsOf = (db: Db, timeoutMs: number): Collections => ({
  sessions: db.collection(names.sessions),
  messages: db.collection(names.messages),
  tasks: db.collection(names.tasks),
  bodies: db.collection(names.bodies),
  documents: (noun) => db.collection(DOCUMENTS + noun),
  async documentNames() {
    const found = await db.listCollections({}, { nameOnly: true }).toArray();
    return found.flatMap(({ name }) => (name.startsWith(DOCUMENTS) ? [name.slice(DOCUMENTS.length)] : []));
  },
  read: { maxTimeMS: timeoutMs },
});

const indexes: [string, IndexDescription[]][] = [
  [
    names.sessions,
    [
      ...['updated_at', 'created_at', 'total_tokens', 'message_count'].map((sort) => ({
        key: { owner: 1, [sort]: -1, session_id: -1 } as const,
      })),
      { key: { owner: 1, feature_mode: 1, updated_at: -1, session_id: -1 } },
      { key: { owner: 1, session_id: -1 } },
      { key: { owner: 1, trigrams: 1, session_id: -1 } },
      { key: { deleting: 1 }, sparse: true },
    ],
  ],
  [
    names.messages,
    [
      { key: { owner: 1, session_id: 1, message_id: -1 } },
      { key: { owner: 1, message_id: -1 } },
      { key: { owner: 1, trigrams: 1, message_id: -1 } },
    ],
  ],
  [
    names.tasks,
    [
      { key: { owner: 1, task_id: -1 } },
      { key: { owner: 1, type: 1, task_id: -1 } },
      { key: { owner: 1, status: 1, task_id: -1 } },
      { key: { ended_at: 1 }, sparse: true },
      { key: { key_hash: 1 }, sparse: true },
      { key: { '_id.id': 1 } },
    ],
  ],
];

/** Any number of processes may do this at once, and again. Nothing but `_id` is unique: the indexes are for speed alone. */
export async function makeIndexes(db: Db): Promise<void> {
  await Promise.all(indexes.map(([name, descriptions]) => db.collection(name).createIndexes(descriptions)));
}

/** A text on its way into a query. Types end at run time: an object here could be an operator. */
export function text(value: string): string {
  if (typeof value !== 'string') throw new TypeError('The store takes a text here.');
  return value;
}

export function number(value: number): number {
  if (typeof value !== 'number' || Number.isNaN(value)) throw new TypeError('The store takes a number here.');
  return value;
}

export const keyOf = (owner: string, id: string): Key => ({ owner: text(owner), id: text(id) });

/** The filter of one document that is the owner's, as lists see it. */
export const mine = (owner: string, id: string) => ({ _id: keyOf(owner, id), owner });
