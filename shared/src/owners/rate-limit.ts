/** Requests per second of each owner, counted in Redis, so that the limit is one over all API processes. */
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

const WINDOW_S = 1;

/** The library's own script, which a full Redis would refuse: then no owner could read its tasks. */
const COUNT = `#!lua flags=allow-oom
redis.call('SET', KEYS[1], 0, 'EX', ARGV[2], 'NX')
return { redis.call('INCRBY', KEYS[1], ARGV[1]), redis.call('PTTL', KEYS[1]) }`;

export type RateVerdict = {
  allowed: boolean;
  limit: number;
  windowS: number;
  /** Requests left in this window, and when it ends. */
  remaining: number;
  resetMs: number;
};

/** `perSecond` 0 means no limit: `take` then answers null without asking Redis. */
export function createRateLimit(redis: RedisConnection, keys: Keys, perSecond: number) {
  /** What of Redis counting an owner needs. */
  const needs = (owner: string) => ({ key: `${keys.rate}:${owner}` });
  if (perSecond === 0) return { needs, take: async (_owner: string): Promise<RateVerdict | null> => null };
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: keys.rate,
    points: perSecond,
    duration: WINDOW_S,
    customIncrTtlLuaScript: COUNT,
    // Once the window is used up this process need not ask until it ends.
    inMemoryBlockOnConsumed: perSecond,
  });

  return {
    needs,
    /** Counts one request. Throws when Redis does not answer: it never lets pass what it could not count. */
    async take(owner: string): Promise<RateVerdict | null> {
      const verdict = (allowed: boolean, result: RateLimiterRes) => ({
        allowed,
        limit: perSecond,
        windowS: WINDOW_S,
        remaining: result.remainingPoints,
        resetMs: Math.max(1, result.msBeforeNext),
      });
      try {
        return verdict(true, await limiter.consume(owner));
      } catch (refused) {
        if (refused instanceof RateLimiterRes) return verdict(false, refused);
        throw refused;
      }
    },
  };
}

export type RateLimit = ReturnType<typeof createRateLimit>;
