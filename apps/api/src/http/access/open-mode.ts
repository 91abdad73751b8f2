/**
 * Whether the API is open: it is while there is no API key anywhere. The first key ends that, in every process within
 * seconds, and there is no way back while the process lives.
 */
import type { Deps } from '@beanline/shared/deps.ts';

/** How long it counts that there are no keys. */
const OPEN_MS = 3_000;
/** How often their absence is asked for, so that no request waits for the answer. */
const OPEN_CHECK_MS = 1_000;

export function createOpenMode({ apiKeys, clock, log }: Pick<Deps, 'apiKeys' | 'clock' | 'log'>, hasKeys: boolean) {
  const closing = new AbortController();
  const isClosed = () => closing.signal.aborted;
  if (hasKeys) closing.abort();
  let openAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;

  function countKeys(): Promise<void> {
    const askedAt = performance.now();
    asking ??= clock
      .guard(apiKeys.count, apiKeys.needs)
      .then((count) => {
        openAt = askedAt;
        if (count === 0 || isClosed()) return;
        log.info('there are API keys: every request needs one from now on');
        closing.abort();
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  const openCheck = setInterval(() => {
    if (isClosed()) clearInterval(openCheck);
    else if (clock.available()) countKeys().catch(() => undefined);
  }, OPEN_CHECK_MS).unref();

  return {
    /** Aborts when it ends. */
    closed: closing.signal,
    isClosed,
    countKeys,
    /** Whether requests need a key. At once, unless Redis has been away for a while; `unavailable` when nobody can say. */
    needsKey(): boolean | Promise<boolean> {
      if (isClosed()) return true;
      if (performance.now() - openAt < OPEN_MS) return false;
      return countKeys().then(isClosed);
    },
    /** Asks no more by itself. */
    stop: () => clearInterval(openCheck),
  };
}
