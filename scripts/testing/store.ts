/** The store of a system under test: SQLite in a directory of its own, or with TEST_ON_MONGO=1 a database of its own on the MongoDB of MONGODB_URI. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@beanline/shared/config.ts';
import { openStore } from '@beanline/shared/store/open-store.ts';
import type { Store } from '@beanline/shared/store.ts';
import { mongoNetwork } from './mongo-network.ts';
import { silentLog } from './task-redis.ts';

/** What a busy machine may take for an answer. */
const PATIENCE_MS = '20000';
/** So short that tests need not wait for a MongoDB that is away. */
const AWAY_MS = '2000';

/** Where programs find their store. */
export type StoreEnv = { DATA_DIR: string; MONGODB_URI?: string; MONGODB_DATABASE?: string };

export async function testStore(): Promise<{ env: StoreEnv; drop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'beanline-test-'));
  const removeDir = () => rmSync(dataDir, { recursive: true, force: true });
  if (!process.env.TEST_ON_MONGO) return { env: { DATA_DIR: dataDir }, drop: async () => removeDir() };
  // Only here: without a MongoDB it says so, which is no news to a test that asks for none.
  const { testDatabase, withoutMongo } = await import('@beanline/shared/store/mongo/testing/test-database.ts');
  if (withoutMongo) throw new Error(withoutMongo);
  const { uri, database, drop } = testDatabase();
  return {
    env: { DATA_DIR: dataDir, MONGODB_URI: uri, MONGODB_DATABASE: database },
    async drop() {
      removeDir();
      await drop();
    },
  };
}

/** The store of a system, as its programs have it. To be closed. */
export const storeOf = ({ storeEnv }: { storeEnv: StoreEnv }): Store =>
  openStore(readConfig({ ...storeEnv, STORE_TIMEOUT_MS: PATIENCE_MS }), silentLog);

/** The store of a system as a program sees it for which it is away, until `comeBack`. */
export async function awayStore({ storeEnv }: { storeEnv: StoreEnv }) {
  if (storeEnv.MONGODB_URI) {
    const network = await mongoNetwork(storeEnv.MONGODB_URI);
    network.goAway();
    return {
      env: { ...storeEnv, MONGODB_URI: network.uri, STORE_TIMEOUT_MS: AWAY_MS },
      comeBack: network.comeBack,
      stop: network.stop,
    };
  }
  // Where its data directory should be, it finds a file.
  const place = mkdtempSync(join(tmpdir(), 'beanline-away-'));
  const link = join(place, 'data');
  writeFileSync(link, '');
  return {
    env: { DATA_DIR: link },
    comeBack() {
      rmSync(link);
      symlinkSync(storeEnv.DATA_DIR, link);
    },
    stop: async () => rmSync(place, { recursive: true, force: true }),
  };
}
