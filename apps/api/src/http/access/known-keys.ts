/**
 * API keys as Redis has them, cached for a short time, found or not. Own code, because the cache must tell the two apart: a
 * flood of random keys may push out each other, never the keys in use.
 */
import type { Deps } from '@beanline/shared/deps.ts';
import type { ApiKey } from '@beanline/shared/owner.ts';
import { recent } from './recent.ts';

/** How long an answer about a key counts. */
const KEY_MS = 2_000;
const MAX_KNOWN = 10_000;

type Known = { key: ApiKey | null; until: number };

/** Finds the key of a hash; null when there is none. Requests that ask at the same time share one look-up. */
export function createKnownKeys({ apiKeys, clock }: Pick<Deps, 'apiKeys' | 'clock'>) {
  const found = recent<Known>(MAX_KNOWN);
  const missing = recent<Known>(MAX_KNOWN);
  const flights = new Map<string, Promise<ApiKey | null>>();

  return (hash: string): ApiKey | null | Promise<ApiKey | null> => {
    const known = found.get(hash) ?? missing.get(hash);
    if (known && known.until > performance.now()) return known.key;
    let flight = flights.get(hash);
    if (!flight) {
      const until = performance.now() + KEY_MS;
      flight = clock
        .guard(() => apiKeys.find(hash), apiKeys.needs)
        .then((key) => {
          (key ? missing : found).delete(hash);
          (key ? found : missing).set(hash, { key, until });
          return key;
        })
        .finally(() => flights.delete(hash));
      flights.set(hash, flight);
    }
    return flight;
  };
}
