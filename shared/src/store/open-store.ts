/** The part of the wiring that chooses the store: MongoDB where MONGODB_URI names one, else a SQLite file in DATA_DIR. */
import { join } from 'node:path';
import type { Log } from '../log.ts';
import type { Store } from '../store.ts';
import { mongoStore } from './mongo/store.ts';
import { sqliteStore } from './sqlite/store.ts';
import type { StoreVariables } from './variables.ts';

export function openStore(config: StoreVariables, log: Log): Store {
  const timeoutMs = config.STORE_TIMEOUT_MS;
  if (config.MONGODB_URI === undefined) return sqliteStore({ file: join(config.DATA_DIR, 'store.db'), timeoutMs });
  return mongoStore({
    uri: config.MONGODB_URI,
    database: config.MONGODB_DATABASE,
    pool: config.MONGODB_POOL,
    timeoutMs,
    log,
  });
}
