/** Ended tasks whose way to the store failed, by the time of their next try. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

/** An ended task (ARGV 2) is tried again at a time (ARGV 1). A full Redis takes it: what follows the task makes room. */
const DEFER = `#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])`;

export function createDeferred(redis: RedisConnection, keys: Keys) {
  return {
    /** An ended task that could not be archived with the others is tried again at a time (ms, Redis TIME). */
    async add(p: number, id: string, at: number): Promise<void> {
      await redis.eval(DEFER, 1, keys.deferred(p), String(at), id);
    },

    due(p: number, now: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.deferred(p), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit);
    },

    async remove(p: number, ids: string[]): Promise<void> {
      if (ids.length > 0) await redis.zrem(keys.deferred(p), ...ids);
    },
  };
}

export type Deferred = ReturnType<typeof createDeferred>;
