/** A store in MongoDB. */
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store.ts';

export type MongoOptions = { uri: string; database: string; pool: number; timeoutMs: number; log: Log };

export function mongoStore(_options: MongoOptions): Store {
  const away = async () => {
    throw new TaskError('unavailable', 'There is no store yet.');
  };
  const seam = new Proxy({}, { get: () => away });
  return {
    kind: 'mongo',
    tasks: seam,
    sessions: seam,
    messages: seam,
    settings: seam,
    ping: away,
    close: async () => {},
  } as unknown as Store;
}
