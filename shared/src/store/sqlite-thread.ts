/**
 * The thread that speaks SQL, of which a store has two: `node:sqlite` blocks the thread it runs in. Reads run one by one. Writes that
 * wait together are one transaction, and so one flush of the disk; each can fail alone.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { TaskError } from '../errors.ts';
import { sqliteMessages, sqliteSettings } from './sqlite-messages.ts';
import { type Call, now, type Reply, type ThreadOptions } from './sqlite-nouns.ts';
import { openSql, type Sql } from './sqlite-schema.ts';
import { sqliteSessions } from './sqlite-sessions.ts';
import { sqliteTasks } from './sqlite-tasks.ts';

/** After this long a transaction takes no more calls, so that the first does not wait for the last. */
const GROUP_MS = 20;

const port = parentPort as MessagePort;
const { file, busyMs, writes } = workerData as ThreadOptions;

type Method = (...given: unknown[]) => unknown;
type Open = { sql: Sql; nouns: Record<string, Record<string, Method>> };
let opened: Open | undefined;

function open(): Open {
  if (opened) return opened;
  const sql = openSql(file, busyMs);
  const nouns = {
    tasks: sqliteTasks(sql),
    sessions: sqliteSessions(sql),
    messages: sqliteMessages(sql),
    settings: sqliteSettings(sql),
    thread: { ping: () => sql.get('SELECT count(*) FROM settings WHERE owner = ?', '') },
  } as unknown as Open['nouns'];
  opened = { sql, nouns };
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
  if (error instanceof TaskError) return error.code === 'unavailable';
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ERR_SQLITE_ERROR' ? !OWN_FAULTS.has(codeOf(error)) : syscall !== undefined;
}

function failure(call: Call, error: unknown): Reply {
  const message = error instanceof TaskError ? error.message : 'The store is not reachable.';
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

function readOne(call: Call): Reply {
  try {
    return run(open(), call);
  } catch (error) {
    giveUp(error);
    return failure(call, error);
  }
}

/** Runs calls until GROUP_MS have passed; gives the replies of those it ran. */
function writeSome(calls: Call[]): Reply[] {
  const replies: Reply[] = [];
  const since = now();
  try {
    const store = open();
    store.sql.run('BEGIN IMMEDIATE');
    try {
      for (const call of calls) {
        if (replies.length > 0 && now() - since >= GROUP_MS) break;
        store.sql.run('SAVEPOINT one');
        try {
          replies.push(run(store, call));
        } catch (error) {
          if (isAway(error)) throw error;
          store.sql.run('ROLLBACK TO one');
          replies.push(failure(call, error));
        }
        store.sql.run('RELEASE one');
      }
      store.sql.run('COMMIT');
    } catch (error) {
      // A full disk has ended the transaction itself; then this fails as well.
      try {
        store.sql.run('ROLLBACK');
      } catch {
        close();
      }
      throw error;
    }
    return replies;
  } catch (error) {
    giveUp(error);
    return calls.map((call) => failure(call, error));
  }
}

function waiting(first: Call): Call[] {
  const calls = [first];
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) calls.push(next.message as Call);
  return calls;
}

port.on('message', (first: Call) => {
  let calls = waiting(first);
  while (calls.length > 0) {
    const leaving = calls.findIndex(({ noun, method }) => noun === 'thread' && method === 'close');
    const begun = (leaving === -1 ? calls : calls.slice(0, leaving)).filter(({ until }) => until > now());
    const replies = writes && begun.length > 0 ? writeSome(begun) : begun.slice(0, 1).map(readOne);
    for (const reply of replies) port.postMessage(reply);
    calls = calls.slice(calls.indexOf(begun[replies.length - 1] as Call) + 1);
    if (leaving !== -1 && begun.length <= replies.length) {
      close();
      port.close();
      return;
    }
  }
});
