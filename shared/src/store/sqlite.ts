/** A store in one SQLite file. */
import { TaskError } from '../errors.ts';
import type { Store } from '../store.ts';

export type SqliteOptions = { file: string; timeoutMs: number };

export function sqliteStore(_options: SqliteOptions): Store {
  const away = async () => {
    throw new TaskError('unavailable', 'There is no store yet.');
  };
  const seam = new Proxy({}, { get: () => away });
  return {
    kind: 'sqlite',
    tasks: seam,
    sessions: seam,
    messages: seam,
    settings: seam,
    ping: away,
    close: async () => {},
  } as unknown as Store;
}
