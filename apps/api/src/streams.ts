/** The event streams of each owner: how many there may be in this process, and that none outlives its key. */
import type { Environment } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { type Access, type Caller, OPEN_CALLER } from './access.ts';

const CHECK_MS = 2_000;

/** One stream's place. `revoked` aborts when the key it was opened with is valid no longer. */
export type StreamPlace = { revoked: AbortSignal | null; close(): void };

/** Who needs no key has no limit either: it is his own machine. */
const OPEN_PLACE: StreamPlace = { revoked: null, close: () => undefined };

type OfKey = { caller: Caller; ended: AbortController; streams: number };

export function createStreams({ log }: Pick<Deps, 'log'>, access: Access, { MAX_OWNER_STREAMS }: Environment) {
  const ofOwner = new Map<string, number>();
  const ofKey = new Map<string, OfKey>();
  let watching = false;

  async function check() {
    for (const [hash, entry] of ofKey) {
      // Redis is away: the streams wait for it too.
      const valid = await access.isValid(entry.caller).catch(() => true);
      if (valid || ofKey.get(hash) !== entry) continue;
      log.info({ owner: entry.caller.owner, streams: entry.streams }, 'the streams of a key that is gone end');
      ofKey.delete(hash);
      entry.ended.abort();
    }
    watching = ofKey.size > 0;
    if (watching) setTimeout(check, CHECK_MS).unref();
  }

  function keyEntry(caller: Caller, hash: string): OfKey {
    const entry = ofKey.get(hash) ?? { caller, ended: new AbortController(), streams: 0 };
    ofKey.set(hash, entry);
    if (!watching) setTimeout(check, CHECK_MS).unref();
    watching = true;
    return entry;
  }

  return {
    /** Takes a place, to be closed once; throws `rate_limited` when the owner has no more. */
    open(caller: Caller): StreamPlace {
      if (caller === OPEN_CALLER) return OPEN_PLACE;
      const { owner, hash } = caller;
      const count = ofOwner.get(owner) ?? 0;
      if (count >= MAX_OWNER_STREAMS) {
        const detail = `There are ${count} open event streams of this owner, and there may be no more.`;
        throw new TaskError('rate_limited', detail, { retryAfterMs: 5_000 });
      }
      ofOwner.set(owner, count + 1);
      const entry = hash === null ? null : keyEntry(caller, hash);
      if (entry) entry.streams++;
      return {
        revoked: entry?.ended.signal ?? null,
        close() {
          const left = (ofOwner.get(owner) ?? 1) - 1;
          if (left > 0) ofOwner.set(owner, left);
          else ofOwner.delete(owner);
          if (entry && --entry.streams === 0 && hash !== null && ofKey.get(hash) === entry) ofKey.delete(hash);
        },
      };
    },
  };
}

export type Streams = ReturnType<typeof createStreams>;
