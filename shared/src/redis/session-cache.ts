/**
 * What clients read of sessions, cached: each session by itself, and lists under a version of their owner that every
 * change replaces, so that none has to be looked for to be dropped. Texts are JSON. A change drops, and never overwrites: of two
 * writers the one that was first in the store may be the last one here.
 */
import { sha256 } from '../task-id.ts';
import type { Keys } from './keys.ts';
import type { VersionedCache } from './versioned-cache.ts';

/** How long the version of an owner's lists stands without a change. */
const LISTS_MS = 24 * 60 * 60_000;

type Loaded = { json: string | null; hit: boolean };

export function createSessionCache(
  cache: VersionedCache,
  keys: Keys,
  { sessionMs, listMs, preferencesMs }: { sessionMs: number; listMs: number; preferencesMs: number },
) {
  return {
    /** A session as clients see it, of any owner: whoever reads it checks whose it is. */
    read: (id: string, load: () => Promise<string | null>): Promise<Loaded> =>
      cache.through(keys.session(id), sessionMs, load),

    /** A list of an owner, by what was asked. */
    async list(owner: string, asked: string, load: () => Promise<string>): Promise<Loaded> {
      const version = listMs === 0 ? null : await cache.version(keys.sessionLists(owner), LISTS_MS);
      if (version === null) return { json: await load(), hit: false };
      return cache.through(keys.sessionList(owner, version, sha256(asked)), listMs, load);
    },

    /** To be called after every write of a session. */
    async changed(owner: string, id: string): Promise<void> {
      await Promise.all([cache.change(keys.session(id)), cache.change(keys.sessionLists(owner))]);
    },

    /** To be called when messages came or went otherwise than by a task: the next call reads the store. */
    forgetWindow: (id: string): Promise<void> => cache.change(keys.window(id)),

    /** An owner's preferences. */
    preferences: (owner: string, load: () => Promise<string | null>): Promise<Loaded> =>
      cache.through(keys.context(owner), preferencesMs, load),

    preferencesChanged: (owner: string): Promise<void> => cache.change(keys.context(owner)),
  };
}
