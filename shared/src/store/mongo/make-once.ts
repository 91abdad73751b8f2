/** Indexes make nothing right or wrong, only fast: without them the store goes on, and tries again after a while. */
import { errorFields, type Log } from '../../log.ts';

const AGAIN_MS = 5_000;

/** Makes the indexes of this name when it is first asked for them, and again where that failed. Never fails itself. */
export type MakeOnce = (name: string, make: () => Promise<unknown>) => Promise<void>;

export function createMakeOnce(log: Log): MakeOnce {
  const made = new Map<string, Promise<void>>();
  return (name, make) => {
    const known = made.get(name);
    if (known) return known;
    const making = make().then(
      () => undefined,
      (error: unknown) => {
        log.warn({ error: errorFields(error) }, 'indexes of the store were not made; searches and lists may be slow');
        setTimeout(() => made.delete(name), AGAIN_MS).unref();
      },
    );
    made.set(name, making);
    return making;
  };
}
