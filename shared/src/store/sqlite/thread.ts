/**
 * A thread that speaks SQL: `node:sqlite` blocks the one it runs in. Reads run one by one. Writes that wait together are one
 * transaction, and so one flush of the disk; each can fail alone.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { sqliteDocuments } from './documents.ts';
import { sqliteMessages } from './messages.ts';
import { type Call, now, type Reply, type ThreadOptions } from './nouns.ts';
import { isRefusal, openSql, refusal, type Sql } from './schema.ts';
import { sqliteSessions } from './sessions.ts';
import { sqliteTasks } from './tasks.ts';

/** After this long a transaction takes no more calls, so that the first does not wait for the last. */
const GROUP_MS = 20;
/** SQLite waits for another writer in steps of this: it can be interrupted only between them, by the end of the program. */
const STEP_MS = 100;

const port = parentPort as MessagePort;
const { file, busyMs, writes } = workerData as ThreadOptions;

type Method = (...given: unknown[]) => unknown;
type Open = { sql: Sql; nouns: Record<string, Record<string, Method>>; forget(): void };
let opened: Open | undefined;
let leaving = false;
const isClose = ({ noun, method }: Call) => noun === 'thread' && method === 'close';
const late = refusal('The store did not answer in time.');

/** Waits for other writers. */
function patiently<T>(work: () => T): T {
  const until = now() + busyMs;
  while (true) {
    try {
      return work();
    } catch (error) {
      if (codeOf(error) !== BUSY || now() >= until) throw error;
    }
  }
}

function open(): Open {
  if (opened) return opened;
  const sql = patiently(() => openSql(file, STEP_MS));
  const documents = sqliteDocuments(sql);
  const nouns = {
    tasks: sqliteTasks(sql),
    sessions: sqliteSessions(sql),
    messages: sqliteMessages(sql),
    documents,
    thread: { ping: () => sql.get('SELECT 1 FROM owners WHERE owner = ?', '') },
  } as unknown as Open['nouns'];
  opened = { sql, nouns, forget: documents.forget };
  return opened;
}

function close() {
  try {
    opened?.sql.close();
  } finally {
    opened = undefined;
  }
}

/** SQLITE_ERROR, _CONSTRAINT, _MISMATCH, _MISUSE and _RANGE are faults of this program; all else is the disk's, or another writer's. */
const OWN_FAULTS = new Set([1, 19, 20, 21, 25]);
const BUSY = 5;
const codeOf = (error: unknown) => ((error as { errcode?: number }).errcode ?? 0) & 0xff;

function isAway(error: unknown): boolean {
  if (isRefusal(error)) return true;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ERR_SQLITE_ERROR' ? !OWN_FAULTS.has(codeOf(error)) : syscall !== undefined;
}

function failure(call: Call, error: unknown): Reply {
  const message = isRefusal(error) ? error.message : 'The store is not reachable.';
  return { n: call.n, error: { away: isAway(error), message, detail: String(error) } };
}

/** A file that was locked will be free; one that failed is opened anew by the next call, in case it was mended. */
function giveUp(error: unknown) {
  if (isAway(error) && codeOf(error) !== BUSY) close();
}

const run = ({ nouns }: Open, { n, noun, method, given }: Call): Reply => {
  const value = nouns[noun]?.[method]?.(...given);
  return { n, value };
};

function readOne(call: Call) {
  try {
    port.postMessage(call.until > now() ? patiently(() => run(open(), call)) : failure(call, late));
  } catch (error) {
    giveUp(error);
    port.postMessage(failure(call, error));
  }
}

/** Calls that wait while this thread is at work, in their order. The last call of all closes; it is seen here or below. */
function nextCall(): Call | undefined {
  const call = receiveMessageOnPort(port)?.message as Call | undefined;
  if (!call || !isClose(call)) return call;
  leaving = true;
  return undefined;
}

/** One transaction of this call and those that come until GROUP_MS have passed. */
function writeTogether(first: Call) {
  const since = now();
  const calls: Call[] = [];
  const replies: Reply[] = [];
  try {
    const store = open();
    patiently(() => store.sql.run('BEGIN IMMEDIATE'));
    try {
      for (let call: Call | undefined = first; call; call = now() - since < GROUP_MS ? nextCall() : undefined) {
        calls.push(call);
        replies.push(writeOne(store, call));
      }
      store.sql.run('COMMIT');
    } catch (error) {
      rollBack(store);
      throw error;
    }
    for (const reply of replies) port.postMessage(reply);
  } catch (error) {
    giveUp(error);
    for (const call of calls.length === 0 ? [first] : calls) port.postMessage(failure(call, error));
  }
}

/** A call that fails by its own fault leaves the others of the transaction alone. */
function writeOne(store: Open, call: Call): Reply {
  if (call.until <= now()) return failure(call, late);
  store.sql.run('SAVEPOINT one');
  try {
    return run(store, call);
  } catch (error) {
    if (isAway(error)) throw error;
    store.sql.run('ROLLBACK TO one');
    store.forget();
    return failure(call, error);
  } finally {
    if (store.sql.inTransaction()) store.sql.run('RELEASE one');
  }
}

/** A full disk may have ended the transaction already. */
function rollBack(store: Open) {
  store.forget();
  try {
    if (store.sql.inTransaction()) store.sql.run('ROLLBACK');
  } catch {
    close();
  }
}

port.on('message', (call: Call) => {
  if (isClose(call)) leaving = true;
  else if (writes) writeTogether(call);
  else readOne(call);
  if (!leaving) return;
  close();
  port.close();
});
