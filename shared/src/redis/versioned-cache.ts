/**
 * A cache that never holds what was overwritten meanwhile. Each key has a version, which every write of the truth raises;
 * a reader may put in only what it read under the version it saw. A hash of `version` and `json`, gone after its time.
 * Redis away or full: everything is a miss, and nothing fails.
 */
import type { Log } from '../log.ts';
import type { RedisConnection } from './connect.ts';

/** Puts a value in unless the truth changed since it was read; ARGV version, json, ttl. */
const FILL = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'json', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/**
 * The truth changed: what is cached goes, or is replaced; ARGV ttl, json or ''. Gives the new version. Also when Redis is full:
 * what is stale must go.
 */
const CHANGE = `#!lua flags=allow-oom
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], 'json') else redis.call('HSET', KEYS[1], 'json', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return version`;

/** How long a version is remembered at least: longer than any reader takes to put in what it has read. */
const MIN_TTL_MS = 60_000;

export function createVersionedCache(redis: RedisConnection, { log }: { log: Log }) {
  const tally = { hits: 0, misses: 0 };
  const ignore =
    <T>(fallback: T) =>
    (error: unknown) => {
      log.debug({ error }, 'a cache could not be used');
      return fallback;
    };

  return {
    /** What is cached, or null, and the version under which to put in what is read instead. `refreshMs` lets a hit live on. */
    async get(key: string, refreshMs?: number): Promise<{ json: string | null; version: string | null }> {
      try {
        const read = redis.hmget(key, 'version', 'json');
        if (refreshMs !== undefined) redis.pexpire(key, refreshMs).catch(() => undefined);
        const [version, json] = await read;
        tally[json ? 'hits' : 'misses']++;
        return { json: json ?? null, version: version ?? '0' };
      } catch (error) {
        tally.misses++;
        return ignore({ json: null, version: null })(error);
      }
    },

    /** False when the truth has changed since `get`: then nothing is kept. */
    async fill(key: string, version: string | null, json: string, ttlMs: number): Promise<boolean> {
      if (version === null || ttlMs === 0) return false;
      return redis.eval(FILL, 1, key, version, json, ttlMs).then((kept) => kept === 1, ignore(false));
    },

    /** To be called after every write of the truth; with `json` the new value is there at once. False when Redis did not hear. */
    async change(key: string, ttlMs: number, json = ''): Promise<boolean> {
      return redis.eval(CHANGE, 1, key, Math.max(ttlMs, MIN_TTL_MS), json).then(() => true, ignore(false));
    },

    /** Hits and misses of this process so far. */
    tally: () => ({ ...tally }),
  };
}

export type VersionedCache = ReturnType<typeof createVersionedCache>;
