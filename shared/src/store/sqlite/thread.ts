/** A thread that speaks SQL: `node:sqlite` blocks the one it runs in. Reads run one by one, writes by turns (writer.ts). */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { sqliteDocuments } from './documents.ts';
import { leftWork } from './left.ts';
import { sqliteMessages } from './messages.ts';
import { type Call, now, type Reply, type ThreadOptions } from './nouns.ts';
import { isRefusal, openSql, refusal, type Sql } from './schema.ts';
import { sqliteSessions } from './sessions.ts';
import { sqliteTasks } from './tasks.ts';
import { createWriter } from './writer.ts';

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

const run = ({ nouns }: Open, { noun, method, given }: Call): unknown => nouns[noun]?.[method]?.(...given);

function readOne(call: Call) {
  try {
    const read = () => ({ n: call.n, value: run(open(), call) });
    port.postMessage(call.until > now() ? patiently(read) : failure(call, late));
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

const writer = writes
  ? createWriter({
      open,
      run: (call) => run(open(), call),
      left: () => leftWork(open().sql),
      patiently,
      late: (call) => failure(call, late),
      failure,
      isAway,
      giveUp,
      post: (reply) => port.postMessage(reply),
      nextCall,
    })
  : undefined;

port.on('message', (call: Call) => {
  if (isClose(call)) leaving = true;
  else if (writer) writer.write(call);
  else readOne(call);
  if (!leaving) return;
  writer?.end();
  close();
  port.close();
});
