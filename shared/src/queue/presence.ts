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

/** `offers`: words without spaces. */
type Runner = { worker: string; types: string[]; offers: string[] };

export function createPresence(redis: RedisConnection, keys: Keys) {
  const members = (worker: string, types: string[]) => types.map((type) => `${type} ${worker}`);
  /** All that a runner offers is one member. */
  const offersOf = (worker: string, offers: string[]) => (offers.length > 0 ? [[worker, ...offers].join(' ')] : []);
  const living = (key: string, now: number) => redis.zrange(key, String(now - SILENCE_MS), '+inf', 'BYSCORE');
  return {
    /** Says that a runner takes these job types, and what it offers beside. `now` in ms, Redis TIME. */
    async announce({ worker, types, offers }: Runner, now: number): Promise<void> {
      const said: [key: string, members: string[]][] = [
        [keys.runners, members(worker, types)],
        [keys.offers, offersOf(worker, offers)],
      ];
      for (const [key, own] of said.filter(([, { length }]) => length > 0)) {
        await redis.zadd(key, ...own.flatMap((member) => [now, member]));
        await redis.zremrangebyscore(key, '-inf', now - 10 * SILENCE_MS);
      }
    },

    /** Says that it takes none any more. */
    async retire({ worker, types, offers }: Runner): Promise<void> {
      if (types.length > 0) await redis.zrem(keys.runners, ...members(worker, types));
      if (offers.length > 0) await redis.zrem(keys.offers, ...offersOf(worker, offers));
    },

    /** Runners per job type. */
    async counts(now: number): Promise<Map<string, number>> {
      const counts = new Map<string, number>();
      for (const member of await living(keys.runners, now)) {
        const type = member.slice(0, member.indexOf(' '));
        counts.set(type, (counts.get(type) ?? 0) + 1);
      }
      return counts;
    },

    /** Where that is written. */
    offersKey: keys.offers,

    /** What each runner offers, of those that offer anything. */
    async offers(now: number): Promise<ReadonlySet<string>[]> {
      return (await living(keys.offers, now)).map((member) => new Set(member.split(' ').slice(1)));
    },
  };
}

export type Presence = ReturnType<typeof createPresence>;
