/** One `npm start` per data directory. */
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../../shared/src/config.ts';
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

/** What is mended by owning the folder. */
const OF_RIGHTS = ['EACCES', 'EPERM', 'ERR_SQLITE_ERROR'];

function notWritable(dir: string, error: unknown): ConfigError {
  const path = resolve(dir);
  const { message, code = '' } = error as NodeJS.ErrnoException;
  const own = `Run: sudo mkdir -p ${path} && sudo chown -R "$(id -un)" ${path}`;
  const another = 'choose another: DATA_DIR=~/.beanline npm start';
  const mend = OF_RIGHTS.includes(code) ? `${own}, or ${another}` : `Please ${another}`;
  return new ConfigError([`DATA_DIR: ${path} cannot be written: ${message}. ${mend}`]);
}

/** Not `recursive`: below /proc Node's own never comes back. */
function makeDir(dir: string): void {
  if (existsSync(dir)) {
    if (!statSync(dir).isDirectory()) throw new Error('it is no folder');
    return;
  }
  makeDir(dirname(dir));
  mkdirSync(dir);
}

function lockDir(dir: string) {
  try {
    makeDir(resolve(dir));
    const path = realpathSync(dir);
    return { path, lock: tryLock(join(path, 'start.lock')) };
  } catch (error) {
    throw notWritable(dir, error);
  }
}

/**
 * Holds the directory for this process; throws when another process holds it. `note` is what a later one is told about
 * this one.
 */
export function holdDataDir(dir: string, note: string): HeldDir {
  const { path, lock } = lockDir(dir);
  const noteFile = join(path, 'start.txt');
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
  try {
    writeFileSync(noteFile, note);
  } catch (error) {
    throw notWritable(path, error);
  }
  return {
    path,
    abandoned,
    release() {
      rmSync(noteFile, { force: true });
      lock.release();
    },
  };
}
