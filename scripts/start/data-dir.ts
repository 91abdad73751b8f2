/** One `npm start` per data directory. */
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from './file-lock.ts';

/** Thrown when another process holds the directory. */
export class DirInUseError extends Error {}

export type HeldDir = {
  /** Absolute. */
  path: string;
  /** The one before did not release it: it was killed, and its children may still be ending. */
  abandoned: boolean;
  release: () => void;
};

/**
 * Holds the directory for this process; throws when another process holds it. `note` is what a later one is told about
 * this one.
 */
export function holdDataDir(dir: string, note: string): HeldDir {
  mkdirSync(dir, { recursive: true });
  const path = realpathSync(dir);
  const noteFile = join(path, 'start.txt');
  const lock = tryLock(join(path, 'start.lock'));
  if (!lock) {
    let holder = '';
    try {
      holder = ` (${readFileSync(noteFile, 'utf8')})`;
    } catch {
      // It has only just taken the lock.
    }
    throw new DirInUseError(
      `Another beanline${holder} is running with the data directory ${path}. Stop it first, or set DATA_DIR to another directory.`,
    );
  }
  const abandoned = existsSync(noteFile);
  writeFileSync(noteFile, note);
  return {
    path,
    abandoned,
    release() {
      rmSync(noteFile, { force: true });
      lock.release();
    },
  };
}
