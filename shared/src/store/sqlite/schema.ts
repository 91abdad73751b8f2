/**
 * Opens the file: its settings, and its tables, which the first one to come makes. A file is put in the place of another one
 * only while no program has it open (docs/operating.md): SQLite would go on writing into the old one.
 */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** An error whose text a caller may see. A thread that loaded TaskError would load zod with it, and start half as fast. */
export const refusal = (message: string) => Object.assign(new Error(message), { refused: true as const });
export const isRefusal = (error: unknown): error is Error => (error as { refused?: true }).refused === true;

/** What runs SQL: prepares each text once. */
export type Sql = {
  get(text: string, ...values: SqlValue[]): Row | undefined;
  all(text: string, ...values: SqlValue[]): Row[];
  /** Row by row, so that a reader may stop; of numbers. */
  each(text: string, ...values: SqlValue[]): Iterable<Row>;
  /** Gives how many rows changed. */
  run(text: string, ...values: SqlValue[]): number;
  inTransaction(): boolean;
  close(): void;
};
export type SqlValue = string | number | null;
export type Row = Record<string, string | number | null>;

/** Raised with every change of the tables. */
const SCHEMA_VERSION = 1;

/**
 * Big texts stand in tables or columns of their own, behind what lists read: SQLite reads the pages of a row only up to the
 * columns that are asked for. Rows of sessions and messages lie at a `place` that follows the time in their ids, so that the
 * index of letters, which gives the highest rows first, gives the newest first (trigrams.ts).
 */
const SCHEMA = `
  -- The count is kept, so that a list without a filter tells its total without a walk.
  CREATE TABLE owners (number INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, sessions INTEGER NOT NULL);

  CREATE TABLE tasks (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
    attempt INTEGER NOT NULL, ended_at INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
    -- Whether its end has taken the place of an earlier one.
    replaced INTEGER NOT NULL DEFAULT 0,
    -- Of an Idempotency-Key.
    key_hash TEXT, fingerprint TEXT, record TEXT NOT NULL);
  CREATE UNIQUE INDEX tasks_id ON tasks (owner, id);
  -- Whose a task is: ids are unique whatever their owners.
  CREATE INDEX tasks_owner ON tasks (id, owner);
  CREATE INDEX tasks_type ON tasks (owner, type, id);
  CREATE INDEX tasks_status ON tasks (owner, status, id);
  CREATE INDEX tasks_type_status ON tasks (owner, type, status, id);
  CREATE INDEX tasks_ended ON tasks (ended_at);
  CREATE INDEX tasks_key ON tasks (owner, key_hash, id) WHERE key_hash IS NOT NULL;
  CREATE TABLE task_outputs (task INTEGER PRIMARY KEY, output TEXT NOT NULL);
  CREATE TABLE task_inputs (task INTEGER PRIMARY KEY, input TEXT NOT NULL);
  CREATE TABLE task_events (task INTEGER PRIMARY KEY, events TEXT NOT NULL);
  CREATE TABLE purged_tasks (owner TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (owner, id)) WITHOUT ROWID;
  CREATE INDEX purged_tasks_owner ON purged_tasks (id);

  CREATE TABLE sessions (
    place INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, feature_mode TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, total_tokens INTEGER NOT NULL, message_count INTEGER NOT NULL,
    title TEXT, title_by TEXT, model TEXT, summary_up_to TEXT, summary_messages INTEGER, summary_created_at INTEGER,
    feature_options TEXT NOT NULL, summary TEXT);
  CREATE UNIQUE INDEX sessions_id ON sessions (owner, id);
  -- Each holds all that a list filters by: only rows of the page are read.
  CREATE INDEX sessions_updated ON sessions
    (owner, updated_at, id, feature_mode, total_tokens, message_count);
  CREATE INDEX sessions_created ON sessions
    (owner, created_at, id, feature_mode, updated_at, total_tokens, message_count);
  CREATE INDEX sessions_tokens ON sessions
    (owner, total_tokens, id, feature_mode, updated_at, message_count);
  CREATE INDEX sessions_messages ON sessions
    (owner, message_count, id, feature_mode, updated_at, total_tokens);

  CREATE TABLE messages (
    place INTEGER PRIMARY KEY, session INTEGER NOT NULL, id TEXT NOT NULL, role TEXT NOT NULL, created_at INTEGER NOT NULL,
    model TEXT, usage TEXT, task TEXT, metadata TEXT NOT NULL,
    -- What its turn counts for its session: of the last message that the turn added.
    tokens INTEGER,
    -- Null when the content is a text: then this is that text.
    text TEXT, content TEXT NOT NULL);
  CREATE UNIQUE INDEX messages_id ON messages (session, id);
  -- Of tasks that ended again: the end whose turn stands.
  CREATE TABLE turn_ends (
    session INTEGER NOT NULL, task TEXT NOT NULL, attempt INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (session, task)) WITHOUT ROWID;
  -- Of a message that is indexed in segments: the places of all but the first, which has the message's own.
  CREATE TABLE segments (place INTEGER PRIMARY KEY, message INTEGER NOT NULL);
  CREATE INDEX segments_message ON segments (message);
  -- What is done in pieces, and left: messages whose index has only the first segments, and sessions whose messages go.
  CREATE TABLE unindexed (message INTEGER PRIMARY KEY, owner TEXT NOT NULL, most INTEGER NOT NULL, done INTEGER NOT NULL);
  CREATE TABLE deletions (session INTEGER PRIMARY KEY, owner TEXT NOT NULL);

  -- The prefixes are an owner with one letter and with two (trigrams.ts).
  CREATE VIRTUAL TABLE message_trigrams USING fts5
    (trigrams, content='', contentless_delete=1, detail=none, tokenize='ascii', prefix='10 14');
  CREATE VIRTUAL TABLE title_trigrams USING fts5
    (trigrams, content='', contentless_delete=1, detail=none, tokenize='ascii', prefix='10 14');
`;

function makeTables(database: DatabaseSync) {
  const version = () => Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version() === SCHEMA_VERSION) return;
  // Two that start at once: the second waits here, and then finds nothing to do.
  database.exec('BEGIN IMMEDIATE');
  const found = version();
  if (found > SCHEMA_VERSION) {
    throw refusal(
      `The store was made by a newer release (its tables have version ${found}, this release knows ${SCHEMA_VERSION}).`,
    );
  }
  if (found < SCHEMA_VERSION) database.exec(SCHEMA);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  database.exec('COMMIT');
}

/** FULL: what is acknowledged is on the disk, because Redis then drops its copy. */
function prepare(database: DatabaseSync) {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16000;
    PRAGMA journal_size_limit = 67108864;
  `);
  makeTables(database);
}

/** Opens the file, which is made when there is none, with its directory. `busyMs`: how long it waits for another writer. */
export function openSql(file: string, busyMs: number): Sql {
  mkdirSync(dirname(file), { recursive: true });
  // Else SQLite would open it to read, and leave files beside it that stay read-only when it is mended.
  if (existsSync(file)) accessSync(file, constants.W_OK);
  const database = new DatabaseSync(file, { timeout: busyMs });
  try {
    prepare(database);
  } catch (error) {
    database.close();
    throw error;
  }
  const reads = new Map<string, StatementSync>();
  const writes = new Map<string, StatementSync>();
  const prepared = (text: string, statements = reads) => {
    let statement = statements.get(text);
    if (!statement) {
      statement = database.prepare(text);
      // Full-text search leaves a last row id behind that is too large for a number, on which Node 26 throws.
      statement.setReadBigInts(statements === writes);
      statements.set(text, statement);
    }
    return statement;
  };
  return {
    get: (text, ...values) => prepared(text).get(...values) as Row | undefined,
    all: (text, ...values) => prepared(text).all(...values) as Row[],
    each: (text, ...values) => prepared(text).iterate(...values) as Iterable<Row>,
    run: (text, ...values) => Number(prepared(text, writes).run(...values).changes),
    inTransaction: () => database.isTransaction,
    close: () => database.close(),
  };
}
