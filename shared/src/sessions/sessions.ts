/** What sessions have of their own: their keys in Redis, their caches, and how much of a search an owner may ask for at once. */
import { createSearchLines } from '../owners/lines.ts';
import { createClaims } from '../redis/claims.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import type { VersionedCache } from '../redis/versioned-cache.ts';
import type { Store } from '../store.ts';
import { type CacheTimes, createSessionCache } from './cache.ts';
import { createSessionKeys } from './keys.ts';
import { createSessionTurns } from './turn/turns.ts';

export function createSessions(
  redis: RedisConnection,
  keys: Keys,
  { cache, store }: { cache: VersionedCache; store: Store },
  options: { cached: CacheTimes; claimsMs: number; searchTimeoutMs: number },
) {
  const sessionKeys = createSessionKeys(keys.prefix);
  return {
    sessionCache: createSessionCache(cache, sessionKeys, options.cached),
    turns: createSessionTurns(redis, sessionKeys),
    claims: createClaims(redis, keys, options.claimsMs),
    searchLines: createSearchLines(store, options.searchTimeoutMs),
  };
}

export type Sessions = ReturnType<typeof createSessions>;
