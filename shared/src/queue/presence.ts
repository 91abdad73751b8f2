/**
 * Which runners are there, per queue: each says so every two seconds. BullMQ's own count asks Redis for the list of all its
 * clients, which costs more with every machine, is refused by some managed servers, and is per node on a Cluster.
 */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

/** How often a runner announces itself. */
export const ANNOUNCE_MS = 2_000;
/** Silence after which it counts as gone. */
const SILENCE_MS = 3 * ANNOUNCE_MS;

export function createPresence(redis: RedisConnection, keys: Keys) {
  const members = (worker: string, types: string[]) => types.map((type) => `${type} ${worker}`);
  return {
    /** Says that a runner takes these job types. `now` in ms, Redis TIME. */
    async announce(worker: string, types: string[], now: number): Promise<void> {
      if (types.length === 0) return;
      await redis.zadd(keys.runners, ...members(worker, types).flatMap((member) => [now, member]));
      await redis.zremrangebyscore(keys.runners, '-inf', now - 10 * SILENCE_MS);
    },

    /** Says that it takes none any more. */
    async retire(worker: string, types: string[]): Promise<void> {
      if (types.length > 0) await redis.zrem(keys.runners, ...members(worker, types));
    },

    /** Runners per job type. */
    async counts(now: number): Promise<Map<string, number>> {
      const counts = new Map<string, number>();
      for (const member of await redis.zrange(keys.runners, String(now - SILENCE_MS), '+inf', 'BYSCORE')) {
        const type = member.slice(0, member.indexOf(' '));
        counts.set(type, (counts.get(type) ?? 0) + 1);
      }
      return counts;
    },
  };
}

export type Presence = ReturnType<typeof createPresence>;
