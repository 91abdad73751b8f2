/** How long ended tasks stay in Redis once the store has them. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { archivedKeyOf } from '../task-id.ts';

/**
 * Ended tasks may be removed after a time from now (ARGV 1, ms). A repeat changes nothing. A full Redis takes it: the removal
 * makes room.
 */
const KEEP = `#!lua flags=allow-oom
local clock = redis.call('TIME')
local at = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'NX', at, ARGV[i]) end`;

/** An Idempotency-Key whose task only the store has. A full Redis takes it: what leaves it is larger. */
const ARCHIVE_KEY = `#!lua flags=allow-oom
redis.call('SADD', KEYS[1], ARGV[1])`;

export function createRetention(redis: RedisConnection, keys: Keys) {
  return {
    /** Marks ended tasks, which the store has, for removal after the retention, counted from now by Redis TIME. */
    async keep(p: number, ids: string[], retentionMs: number): Promise<void> {
      if (ids.length > 0) await redis.eval(KEEP, 1, keys.archived(p), String(retentionMs), ...ids);
    },

    /**
     * Removes ended tasks that the store has, when their retention is over; their idempotency keys live for
     * `idempotencyMs` at least, and of each there stays that the store has its task. Gives how many.
     */
    async removeExpired(p: number, now: number, limit: number, idempotencyMs: number): Promise<number> {
      const ids = await redis.zrange(keys.archived(p), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit);
      await Promise.all(
        ids.map(async (id) => {
          const [owner, idemKey, createdAt] = await redis.hmget(keys.task(p, id), 'owner', 'idem_key', 'created_at');
          if (idemKey) {
            const hash = idemKey.split(':').at(-1) ?? '';
            await redis.eval(ARCHIVE_KEY, 1, keys.archivedIdempotency(p, hash), archivedKeyOf(hash));
            // A time that is over removes the key at once.
            await redis.pexpireat(idemKey, Number(createdAt) + idempotencyMs);
          }
          if (owner) await redis.zrem(keys.owner(p, owner), id);
          const { task, log, input, steps, inbox } = keys;
          await redis.unlink(...[task, log, input, steps, inbox].map((key) => key(p, id)));
          await redis.zrem(keys.archived(p), id);
        }),
      );
      return ids.length;
    },
  };
}

export type Retention = ReturnType<typeof createRetention>;
