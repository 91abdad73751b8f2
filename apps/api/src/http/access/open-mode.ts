/**
 * Open mode: no API key exists, so no request needs one. The first key ends it in every process within seconds, and it does
 * not come back while the process lives.
 */
import type { Deps } from '@beanline/shared/deps.ts';

/** How long the answer counts that there are no keys. */
const OPEN_MS = 3_000;
/** How often Redis is asked for keys, so that no request waits for the answer. */
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
    /** Aborts when open mode ends. */
    closed: closing.signal,
    isClosed,
    countKeys,
    /** Whether requests need a key. At once, unless Redis has been away for a while; `unavailable` when nobody can say. */
    needsKey(): boolean | Promise<boolean> {
      if (isClosed()) return true;
      if (performance.now() - openAt < OPEN_MS) return false;
      return countKeys().then(isClosed);
    },
    /** Stops asking. */
    stop: () => clearInterval(openCheck),
  };
}
