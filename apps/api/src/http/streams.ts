/**
 * Event streams and waiting requests: an owner has at most MAX_OWNER_STREAMS of them in this process, and none outlives its
 * key.
 */
import type { Deps } from '@beanline/shared/deps.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { type Access, type Caller, OPEN_CALLER } from './access/access.ts';
import { type ByteBudget, requireRoom, SLICE_BYTES } from './memory/byte-budget.ts';
import type { HttpVariables } from './variables.ts';

const CHECK_MS = 2_000;
/** Keys checked at a time: enough to get through thousands, and few enough to leave Redis time for other work. */
const CHECKED_AT_ONCE = 100;

/** One request's place. `revoked` aborts when its key, or open mode, is no longer valid. */
export type StreamPlace = { revoked: AbortSignal | null; close(): void };

type OfKey = { caller: Caller; ended: AbortController; streams: number };

export function createStreams(
  { log }: Pick<Deps, 'log'>,
  access: Access,
  { MAX_OWNER_STREAMS }: HttpVariables,
  answers: ByteBudget,
) {
  const ofOwner = new Map<string, number>();
  const ofKey = new Map<string, OfKey>();
  let watching = false;
  /** Without keys there is no limit: the machine is the caller's own. */
  const openPlace: StreamPlace = { revoked: access.closed, close: () => undefined };

  async function checkKey([hash, entry]: [string, OfKey]) {
    // Redis is away: the streams wait for it too.
    const valid = await access.isValid(entry.caller).catch(() => true);
    if (valid || ofKey.get(hash) !== entry) return;
    log.info({ owner: entry.caller.owner, streams: entry.streams }, 'the streams of a key that is gone end');
    ofKey.delete(hash);
    entry.ended.abort();
  }

  async function check() {
    const keys = [...ofKey];
    for (let i = 0; i < keys.length; i += CHECKED_AT_ONCE) {
      await Promise.all(keys.slice(i, i + CHECKED_AT_ONCE).map(checkKey));
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

  /** Takes a place, to be closed once; null when the owner has no more. */
  function take(caller: Caller): StreamPlace | null {
    if (caller === OPEN_CALLER) return openPlace;
    const { owner, hash } = caller;
    const count = ofOwner.get(owner) ?? 0;
    if (count >= MAX_OWNER_STREAMS) return null;
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
  }

  return {
    take,
    /**
     * Takes a place for a stream; throws `rate_limited` when the owner has no more, `unavailable` when its readers hold too
     * much that they have not read.
     */
    open(caller: Caller): StreamPlace {
      requireRoom(answers, caller.owner, SLICE_BYTES);
      const place = take(caller);
      if (place) return place;
      const detail = `This owner has ${MAX_OWNER_STREAMS} event streams and waiting requests open, and may have no more.`;
      throw new TaskError('rate_limited', detail, { retryAfterMs: 5_000 });
    },
  };
}

export type Streams = ReturnType<typeof createStreams>;
