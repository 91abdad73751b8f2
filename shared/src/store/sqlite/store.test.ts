import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { storeContract } from '../contract/store.ts';
import { sqliteStore } from './store.ts';

const directory = await mkdtemp(join(tmpdir(), 'beanline-store-'));
after(() => rm(directory, { recursive: true, force: true }));

storeContract('the store in SQLite', async () =>
  sqliteStore({ file: join(directory, 'new', 'store.db'), timeoutMs: 30_000 }),
);
