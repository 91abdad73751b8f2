/**
 * A store in one SQLite file, which several processes may have open. Its SQL runs in threads, one that reads, one that
 * searches and one that writes, so that a search delays neither a write, nor another read, nor this thread's streams.
 * They start when they are first used, and keep no program alive.
 */
import { Worker } from 'node:worker_threads';
import { TaskError } from '../../errors.ts';
import type { MessageStore, SessionStore, Store, TaskStore } from '../../store.ts';
import { createCollections } from '../collection.ts';
import type { DocumentStore } from '../documents.ts';
import { type Call, type Nouns, now, type Reply, type ThreadOptions } from './nouns.ts';

export type SqliteOptions = { file: string; timeoutMs: number };

const RETRY_AFTER_MS = 1_000;
/** Of a call's time, this part may be spent waiting for another process that writes. */
const BUSY_PART = 0.8;
/** Closing waits this long for calls under way: whoever stops has little time, and what is not acknowledged is sent again. */
const CLOSE_MS = 1_000;
/** Calls that a thread may have before it, also those that nobody waits for any more; and those of one owner that wait. */
const MAX_CALLS = 10_000;
const MAX_OWNER_CALLS = 2_000;

const away = (message: string, cause?: unknown) =>
  new TaskError('unavailable', message, { retryAfterMs: RETRY_AFTER_MS, ...(cause === undefined ? {} : { cause }) });

const busy = () =>
  new TaskError('rate_limited', 'Too many of these requests at once.', { retryAfterMs: RETRY_AFTER_MS });

type Waiting = { resolve(value: unknown): void; reject(error: unknown): void; timer: NodeJS.Timeout; line: string };

/** Whose call it is: the owner stands first, or in what stands first or, of documents, behind their kind. */
function lineOf([first, second]: unknown[]): string {
  if (typeof first === 'string') return first;
  const owners = [first, second].map((given) => (given as { owner?: unknown } | null | undefined)?.owner);
  return owners.find((owner) => typeof owner === 'string') ?? '';
}

function startThread(options: ThreadOptions, timeoutMs: number) {
  let worker: Worker | undefined;
  let closed = false;
  let unanswered = 0;
  let calls = 0;
  const waiting = new Map<number, Waiting>();
  /** How many of each owner wait. */
  const lines = new Map<string, number>();

  function countIn(line: string, by: 1 | -1) {
    const count = (lines.get(line) ?? 0) + by;
    if (count === 0) lines.delete(line);
    else lines.set(line, count);
  }

  function settle(n: number): Waiting | undefined {
    const one = waiting.get(n);
    if (!one) return undefined;
    clearTimeout(one.timer);
    waiting.delete(n);
    countIn(one.line, -1);
    if (waiting.size === 0) worker?.unref();
    return one;
  }

  function start(): Worker {
    // Without the program's own flags: some, such as --input-type, are wrong for a file.
    const started = new Worker(new URL('./thread.ts', import.meta.url), { workerData: options, execArgv: [] });
    let cause: unknown;
    started.on('error', (error) => {
      cause = error;
    });
    started.on('message', (reply: Reply) => {
      unanswered--;
      const one = settle(reply.n);
      if (!one) return;
      if (!('error' in reply)) return one.resolve(reply.value);
      const { message, detail } = reply.error;
      if (reply.error.away) return one.reject(away(message, detail));
      one.reject(new TaskError('internal', 'Something went wrong in the store.', { cause: detail }));
    });
    started.on('exit', () => {
      if (worker === started) worker = undefined;
      unanswered = 0;
      for (const n of [...waiting.keys()]) settle(n)?.reject(away('The store ended in the middle of this.', cause));
    });
    return started;
  }

  return {
    async call(noun: Call['noun'], method: string, given: unknown[]): Promise<unknown> {
      if (closed) throw away('The store is closed.');
      if (unanswered >= MAX_CALLS) throw away('The store is too slow.');
      const line = lineOf(given);
      if (line !== '' && (lines.get(line) ?? 0) >= MAX_OWNER_CALLS) throw busy();
      worker ??= start();
      const used = worker;
      return new Promise((resolve, reject) => {
        const n = calls++;
        const timer = setTimeout(() => settle(n)?.reject(away('The store did not answer in time.')), timeoutMs);
        waiting.set(n, { resolve, reject, timer, line });
        countIn(line, 1);
        used.ref();
        try {
          used.postMessage({ n, noun, method, given, until: now() + timeoutMs, line } satisfies Call);
          unanswered++;
        } catch (error) {
          settle(n)?.reject(error);
        }
      });
    },

    /** Lets the calls end that are under way, for a while; refuses the others. */
    async close() {
      closed = true;
      const ending = worker;
      if (!ending) return;
      ending.ref();
      const { promise: ended, resolve } = Promise.withResolvers<unknown>();
      ending.once('exit', resolve);
      const timer = setTimeout(resolve, CLOSE_MS);
      ending.postMessage({
        n: -1,
        noun: 'thread',
        method: 'close',
        given: [],
        until: Infinity,
        line: '',
      } satisfies Call);
      await ended;
      clearTimeout(timer);
      for (const n of [...waiting.keys()]) settle(n)?.reject(away('The store is closed.'));
      // Not waited for: a thread that waits for the disk ends when that answers.
      ending.unref();
      void ending.terminate();
    },
  };
}

type Thread = ReturnType<typeof startThread>;

/** A noun whose methods each run in one thread. */
function over<Seam extends object>(noun: keyof Nouns, methods: Record<keyof Seam & string, Thread>): Seam {
  const seam = Object.entries<Thread>(methods).map(([method, thread]) => [
    method,
    (...given: unknown[]) => thread.call(noun, method, given),
  ]);
  return Object.fromEntries(seam) as Seam;
}

export function sqliteStore({ file, timeoutMs }: SqliteOptions): Store {
  const busyMs = Math.floor(timeoutMs * BUSY_PART);
  const reads = startThread({ file, busyMs, writes: false }, timeoutMs);
  const searches = startThread({ file, busyMs, writes: false }, timeoutMs);
  const writes = startThread({ file, busyMs, writes: true }, timeoutMs);
  const documents = over<DocumentStore>('documents', {
    put: writes,
    insert: writes,
    read: reads,
    replace: writes,
    delete: writes,
    list: reads,
    count: reads,
    purge: writes,
  });
  return {
    kind: 'sqlite',
    tasks: over<TaskStore>('tasks', {
      put: writes,
      read: reads,
      ownerOf: reads,
      readRequest: reads,
      readEvents: reads,
      findByKey: reads,
      list: reads,
      purge: writes,
    }),
    sessions: over<SessionStore>('sessions', {
      create: writes,
      read: reads,
      list: reads,
      setTitle: writes,
      setSummary: writes,
      delete: writes,
      titled: searches,
    }),
    messages: over<MessageStore>('messages', { append: writes, page: reads, range: reads, matching: searches }),
    collection: createCollections(documents),
    purgeDocuments: documents.purge,
    async ping() {
      await Promise.all([reads, writes].map((thread) => thread.call('thread', 'ping', [])));
    },
    async close() {
      await Promise.all([reads, searches, writes].map((thread) => thread.close()));
    },
  };
}
