/**
 * Forgets tasks that are past STORE_RETENTION_DAYS, and documents past the retention of their noun, some at a time, from the
 * relay that holds the first partition.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Clock } from '../redis/clock.ts';
import type { Store } from '../store.ts';

const DAY_MS = 24 * 60 * 60_000;
const PURGE_BATCH = 500;
const PURGE_EVERY_MS = 60_000;

type Settings = { SWEEP_INTERVAL_MS: number; STORE_RETENTION_DAYS: number };

/** Resolves with `stop`. */
export async function purgeStore(
  { store, clock, log }: { store: Store; clock: Clock; log: Log },
  settings: Settings,
  holds: (partition: number) => boolean,
  stop: AbortSignal,
): Promise<void> {
  const pause = (ms: number) => delay(ms, undefined, { signal: stop }).catch(() => undefined);
  async function purgeSome(): Promise<number> {
    const now = clock.now();
    const days = settings.STORE_RETENTION_DAYS;
    const tasks = days === 0 ? 0 : await store.tasks.purge(now - days * DAY_MS, PURGE_BATCH);
    return Math.max(tasks, await store.purgeDocuments(now, PURGE_BATCH));
  }
  let fails = false;
  while (!stop.aborted) {
    let gone = 0;
    const held = clock.available(0) && holds(0);
    try {
      if (held) {
        gone = await purgeSome();
        if (fails) log.info('the store is purged again');
        fails = false;
      }
    } catch (error) {
      log[fails ? 'debug' : 'warn']({ error }, 'the store could not be purged, which is tried each minute');
      fails = true;
    }
    if (gone < PURGE_BATCH) await pause(held ? PURGE_EVERY_MS : settings.SWEEP_INTERVAL_MS);
  }
}
