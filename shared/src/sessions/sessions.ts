/** What sessions have of their own: their keys in Redis, their caches and limits, and how much of a search an owner may
 * ask for at once. */
import type { VersionedCache } from '../redis/caches/versioned-cache.ts';
import { createClaims } from '../redis/claims.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import type { Store } from '../store.ts';
import { createSessionCache } from './cache.ts';
import { createSessionKeys } from './keys.ts';
import { createSearchLines } from './search-lines.ts';
import { createSessionTurns } from './turn/turns.ts';
import { cacheTimes, type SessionVariables, sessionLimits } from './variables.ts';

export function createSessions(
  redis: RedisConnection,
  keys: Keys,
  { cache, store }: { cache: VersionedCache; store: Store },
  config: SessionVariables & { IDEMPOTENCY_RETENTION_MS: number; STORE_TIMEOUT_MS: number },
) {
  const sessionKeys = createSessionKeys(keys.prefix);
  return {
    sessionCache: createSessionCache(cache, sessionKeys, cacheTimes(config)),
    turns: createSessionTurns(redis, sessionKeys),
    sessionLimits: sessionLimits(config),
    claims: createClaims(redis, keys, config.IDEMPOTENCY_RETENTION_MS),
    searchLines: createSearchLines(store, config.STORE_TIMEOUT_MS),
  };
}

export type Sessions = ReturnType<typeof createSessions>;
