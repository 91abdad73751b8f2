/**
 * Which files a store has open. SQLite goes on writing into a file whose name was removed, or given to another one (a backup
 * that is put in its place): what is written there is lost. And it would take what such a file leaves beside it, `-wal` and
 * `-shm`, for the new file's own, which destroys that one. So an opened file is compared with its name again and again, and what
 * it left is removed before another one is opened.
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const beside = (file: string) => [`${file}-wal`, `${file}-shm`];

/** How long the removal of what is left waits for others that open the file. */
const REMOVAL_MS = 1_000;

/** No other file has the same while one of them is open. */
function identity(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}

/** One at a time among all processes and threads; a lock of SQLite's, because it ends with its process. */
function alone<T>(file: string, busyMs: number, work: () => T): T {
  const lock = new DatabaseSync(`${file}-lock`, { timeout: busyMs });
  try {
    lock.exec('BEGIN IMMEDIATE');
    return work();
  } finally {
    lock.close();
  }
}

export type OpenedFile = {
  database: DatabaseSync;
  /** False when what is written now would be lost. */
  isInPlace(): boolean;
  close(): void;
};

/** Opens the file, or makes it, with its directory; gives undefined when it was replaced meanwhile. `ready` makes its tables. */
export function openFile(
  file: string,
  busyMs: number,
  ready: (database: DatabaseSync) => void,
): OpenedFile | undefined {
  mkdirSync(dirname(file), { recursive: true });
  // Else SQLite would open it to read, and leave files beside it that stay read-only when it is mended.
  if (existsSync(file)) accessSync(file, constants.W_OK);

  return alone(file, busyMs, () => {
    if (!existsSync(file)) {
      for (const left of beside(file)) rmSync(left, { force: true });
      new DatabaseSync(file).close();
    }
    const own = identity(file);
    const database = new DatabaseSync(file, { timeout: busyMs });
    let others: (string | undefined)[];
    try {
      ready(database);
      others = beside(file).map(identity);
    } catch (error) {
      database.close();
      throw error;
    }
    const isInPlace = () => identity(file) === own;
    if (own === undefined || !isInPlace()) {
      database.close();
      return undefined;
    }

    /** While it is still open, so that nothing else has its numbers. */
    function removeLeft() {
      for (const [i, path] of beside(file).entries()) {
        if (others[i] !== undefined && identity(path) === others[i]) rmSync(path, { force: true });
      }
    }
    return {
      database,
      isInPlace,
      close() {
        try {
          if (!isInPlace() && existsSync(dirname(file))) alone(file, REMOVAL_MS, removeLeft);
        } catch {
          // Nothing can be done about what cannot be removed; then the next one to open it says what is wrong.
        } finally {
          database.close();
        }
      },
    };
  });
}
