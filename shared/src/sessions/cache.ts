/**
 * What clients read of sessions, cached: each session by itself, and lists under a version of their owner that every
 * change replaces, so that none has to be looked for to be dropped. Texts are JSON. A change drops, and never overwrites: of two
 * writers the one that was first in the store may be the last one here.
 */

import type { VersionedCache } from '../redis/caches/versioned-cache.ts';
import { sha256 } from '../task-id.ts';
import type { SessionKeys } from './keys.ts';

/** How long the version of an owner's lists stands without a change. */
const LISTS_MS = 24 * 60 * 60_000;

export type CacheTimes = { sessionMs: number; listMs: number; windowMs: number; preferencesMs: number };
type Loaded = { json: string | null; hit: boolean };

export function createSessionCache(
  cache: VersionedCache,
  keys: SessionKeys,
  { sessionMs, listMs, windowMs, preferencesMs }: CacheTimes,
) {
  const changing = (owner: string, id: string) => [keys.session(owner, id), keys.window(id), keys.lists(owner)];
  async function drop(all: string[]): Promise<boolean> {
    const heard = await Promise.all(all.map((key) => cache.change(key)));
    return heard.every(Boolean);
  }

  return {
    /** A session with its newest messages. The owner is part of the key: what is another one's is never found. */
    read: (owner: string, id: string, load: () => Promise<string | null>): Promise<Loaded> =>
      cache.through(keys.session(owner, id), sessionMs, load),

    /** A list of an owner, by what was asked. */
    async list(owner: string, asked: string, load: () => Promise<string>): Promise<Loaded> {
      const version = listMs === 0 ? null : await cache.version(keys.lists(owner), LISTS_MS);
      if (version === null) return { json: await load(), hit: false };
      return cache.through(keys.list(owner, version, sha256(asked)), listMs, load);
    },

    /** The recent messages of a session (of any owner), cached or loaded; each use lets them live on. */
    async window<Window>(
      id: string,
      load: () => Promise<Window | null>,
    ): Promise<{ window: Window | null; hit: boolean }> {
      const key = keys.window(id);
      const { json, version } = await cache.get(key, windowMs);
      if (json !== null) return { window: JSON.parse(json), hit: true };
      const window = await load();
      if (window !== null) await cache.fill(key, version, JSON.stringify(window), windowMs);
      return { window, hit: false };
    },

    /**
     * Whether a session is this owner's, cached or loaded; only a yes is kept, as long as the recent messages are, and no change
     * but its deletion takes it away. The owner is part of the key here too.
     */
    async owns(owner: string, id: string, load: () => Promise<boolean>): Promise<boolean> {
      const key = keys.owner(owner, id);
      const { json, version } = await cache.get(key, windowMs);
      if (json !== null) return true;
      const owned = await load();
      if (owned) await cache.fill(key, version, 'true', windowMs);
      return owned;
    },

    /** What is cached of the recent messages is not all there is. */
    dropWindow: (id: string): Promise<boolean> => cache.change(keys.window(id)),

    /** To be called after every write of a session. False when what is cached may be stale. */
    changed: (owner: string, id: string): Promise<boolean> => drop(changing(owner, id)),

    /** To be called, instead, after its deletion: from then on no submit finds it. */
    deleted: (owner: string, id: string): Promise<boolean> => drop([...changing(owner, id), keys.owner(owner, id)]),

    /** An owner's preferences. */
    preferences: (owner: string, load: () => Promise<string | null>): Promise<Loaded> =>
      cache.through(keys.preferences(owner), preferencesMs, load),

    preferencesChanged: (owner: string): Promise<boolean> => cache.change(keys.preferences(owner)),
  };
}

export type SessionCache = ReturnType<typeof createSessionCache>;
