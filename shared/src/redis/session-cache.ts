/**
 * What clients read of sessions, cached: each session by itself, and lists under a version of their owner that every
 * change raises, so that none has to be looked for to be dropped. Sessions of a cache are checked for their owner by
 * whoever reads them.
 */
import type { Session, Window } from '../session.ts';
import { sha256 } from '../task-id.ts';
import type { RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';
import type { VersionedCache } from './versioned-cache.ts';

/** How long the version of an owner's lists is remembered beyond the lists. */
const VERSION_MS = 60_000;
/** Characters of a window that is cached: pictures in messages may make it many times larger. */
const MAX_WINDOW = 1024 * 1024;

export function createSessionCache(
  redis: RedisConnection,
  cache: VersionedCache,
  keys: Keys,
  { sessionMs, listMs, windowMs }: { sessionMs: number; listMs: number; windowMs: number },
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

    /**
     * The recent messages of a session (of any owner), cached or loaded; each use lets them live on. `hit` is false when they
     * were read just now. Those too large to keep are read each time.
     */
    async window(id: string, load: () => Promise<Window | null>): Promise<{ window: Window | null; hit: boolean }> {
      const key = keys.window(id);
      const { json, version } = await cache.get(key, windowMs);
      if (json !== null) return { window: JSON.parse(json), hit: true };
      const window = await load();
      const loaded = window === null ? '' : JSON.stringify(window);
      if (loaded !== '' && loaded.length <= MAX_WINDOW) await cache.fill(key, version, loaded, windowMs);
      return { window, hit: false };
    },

    /** What is cached of the recent messages is not all there is. */
    dropWindow: (id: string) => cache.change(keys.window(id), windowMs),

    /**
     * To be called after every write: the session as it is now, or null when it is gone or not at hand. False when what is
     * cached may be stale.
     */
    async changed(owner: string, id: string, session: Session | null): Promise<boolean> {
      const heard = await Promise.all([
        cache.change(keys.session(id), sessionMs, session === null ? '' : JSON.stringify(session)),
        cache.change(keys.window(id), windowMs),
        cache.change(keys.sessionLists(owner), listMs + VERSION_MS),
      ]);
      return heard.every(Boolean);
    },
  };
}
