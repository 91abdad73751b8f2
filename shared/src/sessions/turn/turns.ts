/**
 * Which tasks of a session have begun and may have said something that the store does not have yet: a sorted set of task
 * ids, in the order of their ids. A task is put in before its model is called, and goes when the store and the caches
 * have its turn.
 */
import { orUnavailable } from '../../redis/away.ts';
import type { RedisConnection } from '../../redis/connect.ts';
import type { SessionKeys } from '../keys.ts';

/** Longer than any turn waits for the store. What a lost runner puts in late, when its task is kept already, goes with it. */
const TTL_MS = 30 * 86_400_000;

/** Also when Redis is full: the task has begun. */
const BEGIN = `#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

export function createSessionTurns(redis: RedisConnection, keys: SessionKeys) {
  return {
    /** Throws `unavailable` while Redis refuses. */
    async begin(sessionId: string, taskId: string): Promise<void> {
      await orUnavailable(redis.eval(BEGIN, 1, keys.turns(sessionId), taskId, TTL_MS));
    },

    /** The `limit` that were submitted last, the newest first. */
    list: (sessionId: string, limit: number): Promise<string[]> =>
      redis.zrange(keys.turns(sessionId), '+', '-', 'BYLEX', 'REV', 'LIMIT', 0, limit),

    async remove(sessionId: string, taskIds: string[]): Promise<void> {
      if (taskIds.length > 0) await redis.zrem(keys.turns(sessionId), ...taskIds);
    },
  };
}

export type SessionTurns = ReturnType<typeof createSessionTurns>;
