/** The SQLite file of a store, for a test that looks into it or holds it, as another program would. */
import { DatabaseSync } from 'node:sqlite';

/** What a busy machine may take to end a write; without it a statement fails when a program writes in that moment. */
const PATIENCE_MS = 20_000;

/** To be closed. */
export const openStoreFile = (file: string, { readOnly = false } = {}) =>
  new DatabaseSync(file, { timeout: PATIENCE_MS, readOnly });

/** Holds the one lock of writers until its `ROLLBACK`, or until it is closed. */
export function holdStoreFile(file: string): DatabaseSync {
  const holder = openStoreFile(file);
  holder.exec('BEGIN IMMEDIATE');
  return holder;
}
