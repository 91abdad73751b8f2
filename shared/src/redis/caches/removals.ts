/** Removals of keys that Redis has not taken yet: they are tried again as long as they matter and this process lives. */
import type { Log } from '../../log.ts';
import type { Clock } from '../clock.ts';

/** How often removals are tried again, how long they matter at least, and how many are remembered. */
const RETRY_MS = 200;
const MATTER_MS = 10 * 60_000;
const MAX_OWED = 10_000;

/** `remove` takes a key out of Redis. */
export function createRemovals(
  remove: (key: string) => Promise<unknown>,
  { clock, log }: { clock: Pick<Clock, 'available' | 'stopped'>; log: Log },
) {
  /** Keys that are still there, and until when that matters. */
  const owed = new Map<string, number>();
  let collector: NodeJS.Timeout | undefined;

  const missed = (error: unknown) => log.debug({ error }, 'a cache could not be dropped');

  async function collect(): Promise<void> {
    for (const [key, until] of owed) {
      if (clock.stopped() || performance.now() > until) owed.delete(key);
      else if (clock.available()) await remove(key).then(() => owed.delete(key), missed);
    }
    if (owed.size > 0) return;
    clearInterval(collector);
    collector = undefined;
  }

  function owe(key: string): void {
    if (owed.size >= MAX_OWED) {
      log.warn({ key }, 'too many caches are to be dropped; one may be stale until its time is over');
      return;
    }
    owed.set(key, performance.now() + MATTER_MS);
    collector ??= setInterval(() => void collect(), RETRY_MS).unref();
  }

  return {
    /** Whether what is in Redis under a key is to be removed. */
    isOwed: (key: string) => owed.has(key),

    /** Removes a key, now or later; false when it is later. */
    async remove(key: string): Promise<boolean> {
      try {
        await remove(key);
        owed.delete(key);
        return true;
      } catch (error) {
        owe(key);
        missed(error);
        return false;
      }
    },
  };
}
