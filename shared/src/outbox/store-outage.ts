/**
 * Whether the store is away, for all partitions of a relay: said once an outage, and asked by one of them only. An outage
 * is over when the store has taken something, for a store may answer and yet refuse every write.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { isUnavailable } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store.ts';

const FIRST_MS = 100;
const MAX_MS = 2_000;

/** Thrown when the store, and not Redis, is away. */
export class StoreAway extends Error {
  constructor(cause: unknown) {
    super('the store is away', { cause });
    this.name = 'StoreAway';
  }
}

/** The promise; throws StoreAway when the store is not there for it. */
export async function inStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isUnavailable(error) ? new StoreAway(error) : error;
  }
}

export function createStoreOutage({ store, log }: { store: Store; log: Log }, stop: AbortSignal) {
  let since: number | null = null;
  let pauseMs = FIRST_MS;
  let back: Promise<void> | undefined;

  async function ask() {
    do {
      await delay(pauseMs, undefined, { signal: stop }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, MAX_MS);
    } while (
      !stop.aborted &&
      !(await store.ping().then(
        () => true,
        () => false,
      ))
    );
    back = undefined;
  }

  return {
    /** To be told of each failure; resolves when it is worth another try. */
    wait(error: StoreAway): Promise<void> {
      if (since === null)
        log.warn({ error: error.cause }, 'the store is away: ended tasks stay in Redis until it is back');
      since ??= performance.now();
      back ??= ask();
      return back;
    },
    /** To be told when the store has taken something. */
    over() {
      if (since === null) return;
      log.info({ away_ms: Math.round(performance.now() - since) }, 'the store is back');
      since = null;
      pauseMs = FIRST_MS;
    },
  };
}
