/** A database of a test's own on the MongoDB of MONGODB_URI, which is dropped when the test is over. */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { TaskError } from '../../../errors.ts';
import { createLog } from '../../../log.ts';
import type { MongoOptions } from '../client.ts';
import { collectionsOf } from '../schema.ts';
import { mongoStore } from '../store.ts';

const given = process.env.MONGODB_URI;

/** Why tests that need a MongoDB do not run; false where they do. */
export const withoutMongo =
  given === undefined && 'MONGODB_URI names no MongoDB: NOTHING IS PROVED ABOUT MONGODB in this run';
if (withoutMongo) process.stderr.write(`${withoutMongo}\n`);

export function testDatabase() {
  const uri = given ?? 'mongodb://127.0.0.1:1';
  const database = `beanline_test_${randomUUID().slice(0, 18)}`;
  const log = createLog({ level: 'error', name: 'test' });
  const client = new MongoClient(uri);
  const db = client.db(database);
  return {
    uri,
    database,
    /** To look at what is stored. */
    stored: collectionsOf(db, 30_000),
    /** A store on it, patient enough for a busy machine. */
    store: (options: Partial<MongoOptions> = {}) =>
      mongoStore({ uri, database, pool: 10, timeoutMs: 30_000, log, ...options }),
    async drop() {
      if (!withoutMongo) await db.dropDatabase();
      await client.close();
    },
  };
}

const PAUSE_MS = 20;

/** Calls until the store is there; fails the test when that takes too long. */
export async function eventually<T>(call: () => Promise<T>, deadlineMs = 60_000): Promise<T> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof TaskError) || error.code !== 'unavailable' || performance.now() > until) throw error;
      // A store that is known to be away says so without a turn of the event loop.
      await setTimeout(PAUSE_MS);
    }
  }
}
