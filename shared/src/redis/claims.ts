/** Claims: of all who ask under one name, the first one's word stands, for a time. What an Idempotency-Key rests on. */
import type { RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';

export function createClaims(redis: RedisConnection, keys: Keys, ttlMs: number) {
  return {
    /** What of Redis a claim needs. */
    needs: (hash: string) => ({ key: keys.claim(hash) }),
    /** The word that stands: another one's, or null when it is this one now. */
    claim: (hash: string, word: string): Promise<string | null> =>
      redis.set(keys.claim(hash), word, 'PX', ttlMs, 'NX', 'GET'),
  };
}

export type Claims = ReturnType<typeof createClaims>;
