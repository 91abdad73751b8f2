/**
 * A cache that never holds what was overwritten meanwhile. A reader who finds nothing gets a version, made at random and
 * put where the value will be, and may put in what was read only while that version stands. Every write of the truth removes
 * the key, its version included. So whoever read before the write finds that version gone, also when the key was removed,
 * forgotten or expired any number of times since. A hash of `version` and `json`.
 *
 * Redis away: everything is a miss. Redis more than 60 % full: nothing is put in. Nothing fails. A removal that Redis did not
 * take is repeated until it does.
 */
import { randomUUID } from 'node:crypto';
import type { Log } from '../../log.ts';
import type { Clock } from '../clock.ts';
import type { RedisConnection } from '../connect.ts';
import { createRemovals } from './removals.ts';

/** The version that stands, else a new one; ARGV new version, ttl. */
const MINT = `
if redis.call('HSETNX', KEYS[1], 'version', ARGV[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('HGET', KEYS[1], 'version')`;

/** Puts a value in unless the truth has changed since its version was given; ARGV version, json, ttl. */
const FILL = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'json', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** How long a reader has to put in what it has read. Later is safe too: its version is gone. */
const MINT_MS = 60_000;
/** Larger values are not worth the memory. */
const MAX_CACHED = 1024 * 1024;

export type Cached = { json: string | null; version: string | null };

/** Gives a function that loads what is being loaded under a name once, for all who ask meanwhile. */
function shareLoads() {
  const loads = new Map<string, Promise<string | null>>();
  return (name: string, load: () => Promise<string | null>): Promise<string | null> => {
    const begun = loads.get(name) ?? load().finally(() => loads.delete(name));
    loads.set(name, begun);
    return begun;
  };
}

export function createVersionedCache(
  redis: RedisConnection,
  { clock, log }: { clock: Pick<Clock, 'guard' | 'crowded' | 'available' | 'stopped'>; log: Log },
) {
  const tally = { hits: 0, misses: 0 };
  const shared = shareLoads();
  const guarded = <T>(key: string, work: () => Promise<T>) => clock.guard(work, { key });
  function ignore<T>(fallback: T) {
    return (error: unknown) => {
      log.debug({ error }, 'a cache could not be used');
      return fallback;
    };
  }

  const removals = createRemovals((key) => guarded(key, () => redis.del(key)), { clock, log });

  async function mint(key: string, ttlMs: number): Promise<string | null> {
    if (clock.crowded()) return null;
    return String(await guarded(key, () => redis.eval(MINT, 1, key, randomUUID(), ttlMs)));
  }

  async function get(key: string, refreshMs?: number): Promise<Cached> {
    const found = removals.isOwed(key) ? null : await look(key, refreshMs).catch(ignore(null));
    tally[found?.json ? 'hits' : 'misses']++;
    return found ?? { json: null, version: null };
  }

  async function look(key: string, refreshMs?: number): Promise<Cached> {
    const [version, json] = await guarded(key, () => redis.hmget(key, 'version', 'json'));
    if (json && refreshMs !== undefined) redis.pexpire(key, refreshMs).catch(ignore(0));
    return { json: json ?? null, version: version ?? (await mint(key, MINT_MS)) };
  }

  async function fill(key: string, version: string | null, json: string, ttlMs: number): Promise<boolean> {
    if (version === null || ttlMs === 0 || json.length > MAX_CACHED || clock.crowded()) return false;
    return guarded(key, () => redis.eval(FILL, 1, key, version, json, ttlMs)).then((kept) => kept === 1, ignore(false));
  }

  /** Loads, once for all who ask meanwhile, and fills what comes while the version stands. */
  async function loadOnce(key: string, version: string | null, load: () => Promise<string | null>, ttlMs: number) {
    if (version === null) return load();
    return shared(`${version} ${key}`, async () => {
      const json = await load();
      if (json !== null) await fill(key, version, json, ttlMs);
      return json;
    });
  }

  return {
    /** What is cached, or null, and the version under which to put in what is read instead. `refreshMs` lets a hit live on. */
    get,

    /** False when the truth has changed since `get`, and of what is too large: then nothing is kept. */
    fill,

    /** What is cached, else what is loaded, once for all who ask this process meanwhile. Null is not kept. */
    async through(
      key: string,
      ttlMs: number,
      load: () => Promise<string | null>,
    ): Promise<{ json: string | null; hit: boolean }> {
      if (ttlMs === 0) return { json: await load(), hit: false };
      const { json, version } = await get(key);
      if (json !== null) return { json, hit: true };
      return { json: await loadOnce(key, version, load, ttlMs), hit: false };
    },

    /** A version alone, under which other keys are cached; null when Redis cannot say. */
    async version(key: string, ttlMs: number): Promise<string | null> {
      if (removals.isOwed(key)) return null;
      const known = await guarded(key, () => redis.hget(key, 'version')).catch(ignore(undefined));
      if (known === undefined) return null;
      return known ?? mint(key, ttlMs).catch(ignore(null));
    },

    /** To be called after every write of the truth. False when Redis did not take it: this process goes on trying. */
    change: removals.remove,

    /** Hits and misses of this process so far. */
    tally: () => ({ ...tally }),
  };
}

export type VersionedCache = ReturnType<typeof createVersionedCache>;
