/**
 * What clients read of sessions, cached: each session by itself, and lists under a version of their owner that every
 * change raises, so that none has to be looked for to be dropped. Sessions of a cache are checked for their owner by
 * whoever reads them.
 */
import type { Session } from '../session.ts';
import { sha256 } from '../task-id.ts';
import type { RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';
import type { VersionedCache } from './versioned-cache.ts';

/** How long the version of an owner's lists is remembered beyond the lists. */
const VERSION_MS = 60_000;

export function createSessionCache(
  redis: RedisConnection,
  cache: VersionedCache,
  keys: Keys,
  { sessionMs, listMs }: { sessionMs: number; listMs: number },
) {
  return {
    /** The session (of any owner), cached or loaded. */
    async read(id: string, load: () => Promise<Session | null>): Promise<{ session: Session | null; hit: boolean }> {
      const key = keys.session(id);
      const { json, version } = await cache.get(key);
      if (json !== null) return { session: JSON.parse(json), hit: true };
      const session = await load();
      if (session) await cache.fill(key, version, JSON.stringify(session), sessionMs);
      return { session, hit: false };
    },

    /** A list of an owner as JSON text, cached or loaded, by what was asked. */
    async list(owner: string, asked: string, load: () => Promise<string>): Promise<{ json: string; hit: boolean }> {
      const { version } = await cache.get(keys.sessionLists(owner));
      if (version === null || listMs === 0) return { json: await load(), hit: false };
      const key = keys.sessionList(owner, version, sha256(asked));
      const kept = await redis.get(key).catch(() => null);
      if (kept !== null) return { json: kept, hit: true };
      const json = await load();
      await redis.set(key, json, 'PX', listMs).catch(() => undefined);
      return { json, hit: false };
    },

    /** To be called after every write: the session as it is now, or null when it is gone or not at hand. */
    async changed(owner: string, id: string, session: Session | null): Promise<void> {
      await Promise.all([
        cache.change(keys.session(id), sessionMs, session === null ? '' : JSON.stringify(session)),
        cache.change(keys.sessionLists(owner), listMs + VERSION_MS),
      ]);
    },
  };
}
