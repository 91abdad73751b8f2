/**
 * The connection to MongoDB: made when it is first used, and again after a failure; one client and its pool per store.
 * Every call of the store goes through `call`, which bounds its time and says `unavailable` where the server is away.
 *
 * The driver has no bound for a whole call (its `timeoutMS` does nothing), so the deadline is ours; what runs on behind it
 * is ended by the timeouts of the socket and of the server, and no call begins another write behind its deadline.
 *
 * A call that found the server away has it asked by a ping. When that does not reach it either, and nothing else has since,
 * the server is known to be away, and calls say so at once until it answers: nobody waits for what one of them can find out.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Db, MongoClient, MongoClientOptions } from 'mongodb';
import { isUnavailable, TaskError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { mendedConnection } from './connection.ts';
import { isAway, isUnreachable } from './errors.ts';
import { createMakeOnce } from './make-once.ts';
import { type Collections, collectionsOf, makeIndexes } from './schema.ts';

export type MongoOptions = {
  uri: string;
  database: string;
  /** Most connections. */
  pool: number;
  timeoutMs: number;
  log: Log;
  /** Is given the client before it connects, with the monitoring of its commands on: for tests and traces. */
  watch?: (client: MongoClient) => void;
};

export type Call = <T>(work: (collections: Collections, signal: AbortSignal) => Promise<T>) => Promise<T>;

const RETRY_AFTER_MS = 1_000;
const MAX_CONNECT_MS = 3_000;
/** Whoever stops has little time. */
const CLOSE_MS = 1_000;
/** Between two pings of a server that is away. */
const PING_AGAIN_MS = 250;
/**
 * How many timeouts of the driver such a ping may take, each after the other: to find the server, to be given a connection,
 * to be answered. Ours would not tell which of them it was.
 */
const PING_TIMEOUTS = 3;

const away = (message: string, cause?: unknown) =>
  new TaskError('unavailable', message, { cause, retryAfterMs: RETRY_AFTER_MS });

/** What the URI may not weaken. It may say the rest: TLS, replica set, compression, `retryWrites` (on by default). */
function clientOptions({ pool, timeoutMs, watch }: MongoOptions) {
  return {
    connectionType: mendedConnection(),
    appName: 'beanline',
    maxPoolSize: pool,
    // Redis drops its copy of what was acknowledged: it must outlive the loss of the primary, and power.
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: timeoutMs },
    // Nothing that was read is rolled back, and everything acknowledged is read.
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    serverSelectionTimeoutMS: timeoutMs,
    // Also of the driver's look whether the server is back: one that hangs shall not use up the time of the calls.
    // Shorter than the wait for a connection, or nobody would be there to hear that none can be made.
    connectTimeoutMS: Math.min(timeoutMs / 2, MAX_CONNECT_MS),
    socketTimeoutMS: timeoutMs,
    waitQueueTimeoutMS: timeoutMs,
    ignoreUndefined: true,
    promoteBuffers: true,
    monitorCommands: watch !== undefined,
  } satisfies MongoClientOptions & { connectionType: unknown };
}

async function makeClient(options: MongoOptions): Promise<MongoClient> {
  // Loaded here: a program whose store is SQLite need not load it.
  const driver = await import('mongodb');
  const given = clientOptions(options);
  let client: MongoClient;
  try {
    client = new driver.MongoClient(options.uri, given);
  } catch {
    // Without the driver's words, which may repeat parts of the URI, and that holds a password.
    throw away('The store is not reachable: MONGODB_URI is not one that the MongoDB driver takes.');
  }
  options.watch?.(client);
  return client;
}

/** What the work gives, or `unavailable` when it is not there in time or the server is away. */
async function bounded<T>(withinMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = away(`The store did not answer within ${withinMs} ms.`);
      deadline.abort(error);
      reject(error);
    }, withinMs);
  });
  try {
    return await Promise.race([work(deadline.signal), late]);
  } catch (error) {
    throw isAway(error) ? away('The store is not reachable.', error) : error;
  } finally {
    clearTimeout(timer);
  }
}

export function mongoConnection(options: MongoOptions) {
  const { timeoutMs, log } = options;
  let made: Promise<MongoClient> | undefined;
  const makeOnce = createMakeOnce(log);
  let closed = false;
  /** Why the server is known to be away. */
  let knownAway: unknown;
  /** How often it has answered. */
  let answers = 0;
  let asking = false;

  async function connected(): Promise<Db> {
    if (closed) throw away('The store is closed.');
    made ??= makeClient(options);
    made.catch(() => {
      made = undefined;
    });
    const client = await made;
    try {
      // Does nothing while it is connected; may be called again after it failed.
      await client.connect();
    } catch (error) {
      throw away('The store is not reachable.', error);
    }
    return client.db(options.database);
  }

  function answered() {
    answers++;
    knownAway = undefined;
  }

  async function ping(withinMs = timeoutMs): Promise<void> {
    await bounded(withinMs, async () => {
      await (await connected()).command({ ping: 1 });
      answered();
    });
  }

  /** Pings until the server answers. One that answers pings and fails calls is slow, or refuses: each call finds out anew. */
  async function askWhileAway(): Promise<void> {
    if (asking) return;
    asking = true;
    while (!closed) {
      const before = answers;
      try {
        await ping(PING_TIMEOUTS * timeoutMs);
        break;
      } catch (error) {
        // What waited in vain for a connection says nothing: slow calls may have them all.
        if (answers === before && isUnreachable(error)) knownAway = error;
        await delay(PING_AGAIN_MS, undefined, { ref: false });
      }
    }
    asking = false;
  }

  const call: Call = async (work) => {
    if (knownAway !== undefined) throw away('The store is not reachable.', knownAway);
    try {
      return await bounded(timeoutMs, async (signal) => {
        const db = await connected();
        await makeOnce('', () => makeIndexes(db));
        signal.throwIfAborted();
        const result = await work(collectionsOf(db, timeoutMs), signal);
        answered();
        return result;
      });
    } catch (error) {
      if (isUnavailable(error)) void askWhileAway();
      throw error;
    }
  };

  return {
    call,
    makeOnce,
    ping: () => ping(),
    /** Ends what still runs. */
    async close() {
      closed = true;
      const ending = made?.then((client) => client.close());
      if (ending) await bounded(Math.min(timeoutMs, CLOSE_MS), () => ending).catch(() => undefined);
    },
  };
}
