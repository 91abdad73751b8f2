/** Whether the store answers, for `/readyz`: asked once a second at most, and not waited for when it takes long. */
import type { Store } from '@beanline/shared/store.ts';

const CACHE_MS = 1_000;
/** As long as a request without Redis may take. */
const PATIENCE_MS = 250;

type Answer = 'ok' | 'away' | 'unknown';

export function createStoreCheck(store: Pick<Store, 'ping'>): () => Promise<Answer> {
  let last: Answer = 'unknown';
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<Answer> | undefined;

  async function ask(): Promise<Answer> {
    askedAt = performance.now();
    try {
      await store.ping();
      last = 'ok';
    } catch {
      last = 'away';
    }
    asking = undefined;
    return last;
  }

  return async () => {
    if (!asking && performance.now() - askedAt <= CACHE_MS) return last;
    asking ??= ask();
    const { promise, resolve } = Promise.withResolvers<Answer>();
    // A store that was away and does not answer is still away.
    const timer = setTimeout(() => resolve(last === 'away' ? 'away' : 'unknown'), PATIENCE_MS);
    const answer = await Promise.race([asking, promise]);
    clearTimeout(timer);
    return answer;
  };
}
