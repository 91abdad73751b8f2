/**
 * Bytes that this process holds for its clients: request bodies that are read, answers that nobody has taken yet. They are
 * bounded for each owner and for all together, so that no client can fill the memory that others need.
 */
import { TaskError } from '@beanline/shared/errors.ts';

/** What is smaller is not counted: the sockets' own buffers hold more. */
export const COUNTED_BYTES = 16 * 1024;

/** Written at once: what a reader has taken is known by whole ones. */
export const SLICE_BYTES = 64 * 1024;

/**
 * Counted for each large answer besides its bytes, which others may share: the system takes some of it from us before its
 * reader does. How much, nobody tells us: some 100 kB over a network, up to 2.6 MB within a machine.
 */
export const SOCKET_BYTES = 256 * 1024;

const RETRY_AFTER_MS = 2_000;

/** A part of the budget that grows and is given back once. */
export type Held = { bytes(): number; grow(bytes: number): void; release(): void };

export type ByteBudget = ReturnType<typeof createByteBudget>;

export function createByteBudget(max: { owner: number; all: number }) {
  const ofOwner = new Map<string, number>();
  /** What several answers share, and how many do. */
  const shared = new Map<object, { held: Held; users: number }>();
  let all = 0;

  function add(owner: string, bytes: number) {
    all += bytes;
    const sum = (ofOwner.get(owner) ?? 0) + bytes;
    if (sum > 0) ofOwner.set(owner, sum);
    else ofOwner.delete(owner);
  }

  /** Counts without asking whether there is room. */
  function hold(owner: string, bytes = 0): Held {
    let held = bytes;
    let released = false;
    add(owner, bytes);
    return {
      bytes: () => held,
      grow(more) {
        if (released) return;
        held += more;
        add(owner, more);
      },
      release() {
        if (released) return;
        released = true;
        add(owner, -held);
      },
    };
  }

  return {
    hold,

    /**
     * Which bound so many more bytes would pass; null when there is room. `own`: bytes that the asker holds already. Who is
     * alone has room for anything, so that no size is refused for ever.
     */
    passes(owner: string, bytes: number, own = 0): 'owner' | 'process' | null {
      const owners = ofOwner.get(owner) ?? 0;
      if (owners > own && owners + bytes > max.owner) return 'owner';
      return all > own && all + bytes > max.all ? 'process' : null;
    },

    /** Counts what several answers share once, until the last one gives it back. */
    share(owner: string, thing: object, bytes: number): () => void {
      const known = shared.get(thing) ?? { held: hold(owner, bytes), users: 0 };
      shared.set(thing, known);
      known.users++;
      let released = false;
      return () => {
        if (released) return;
        released = true;
        if (--known.users > 0) return;
        shared.delete(thing);
        known.held.release();
      };
    },
    isShared: (thing: object) => shared.has(thing),

    /** Bytes of all owners now. */
    bytes: () => all,
  };
}

/** Throws `unavailable` when an answer of so many bytes more would be too much to hold. */
export function requireRoom(answers: ByteBudget, owner: string, bytes: number): void {
  const passed = answers.passes(owner, bytes);
  if (passed === null) return;
  const whose = passed === 'owner' ? 'this owner' : 'all owners together';
  throw new TaskError('unavailable', `Too much that was answered to ${whose} has not been read yet.`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
