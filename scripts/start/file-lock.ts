/** A lock between processes that goes when its holder dies, however that was: the kernel's, by way of SQLite. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const SQLITE_BUSY = 5;
const RETRY_MS = 100;

/** Takes the lock of this file, which is made when it is absent; undefined when another process holds it. */
export function tryLock(file: string): { release: () => void } | undefined {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => lock.close() };
}

/** Runs something while no other process runs what is under the same lock, whose folder is made; waits for its turn. */
export async function underLock<T>(file: string, run: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  let lock = tryLock(file);
  for (; !lock; lock = tryLock(file)) await delay(RETRY_MS);
  try {
    return await run();
  } finally {
    lock.release();
  }
}
