/** Which relay holds a partition: it sweeps it and brings its outbox on. Two holders at once do no harm. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

/**
 * Takes a partition for a holder (ARGV 1) for a time (ARGV 2, ms): 1 taken, 0 its own already, -1 another's. A full Redis takes
 * it: the relay makes room.
 */
const LEASE = `#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
if holder then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

export function createLease(redis: RedisConnection, keys: Keys) {
  return {
    /** Takes or keeps a partition for `ttlMs`; `fresh` when it was not ours before. Two holders at once do no harm. */
    async take(p: number, holder: string, ttlMs: number): Promise<{ held: boolean; fresh: boolean }> {
      const taken = Number(await redis.eval(LEASE, 1, keys.lease(p), holder, ttlMs));
      return { held: taken >= 0, fresh: taken === 1 };
    },

    async give(p: number, holder: string): Promise<void> {
      if ((await redis.get(keys.lease(p))) === holder) await redis.del(keys.lease(p));
    },
  };
}

export type Lease = ReturnType<typeof createLease>;
