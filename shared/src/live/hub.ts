/**
 * The hub of one followed task: a ring of encoded frames, chained by `prev`, that any number of readers share. A reader at
 * cursor c takes the frames of the ring that continue c, and waits when c is its newest; when the chain is broken (a
 * message was lost or too large, the reader is slow, it just came) it reads the log instead, and is told of a gap when the
 * log does not go on from c either.
 */
import { encodeFrame, type Frame } from '../event.ts';
import { type LogReads, type Reading, readOn } from './read-on.ts';

const RING_BYTES = 256 * 1024;
/** What one read of the log should give: more events when they are small, fewer when they are large. */
const PAGE_BYTES = 64 * 1024;
const FIRST_PAGE = 16;
const MAX_PAGE = 512;

/** Frames after a cursor; none: there are no more yet; null: the task is gone. Readers at one cursor get the same array. */
export type Pulled = Frame[] | null;

export type Hub = ReturnType<typeof createHub>;

export function createHub(id: string, reads: LogReads) {
  let ring: Frame[] = [];
  let ringBytes = 0;
  /** When it last said something, or was checked. */
  let heardAt = performance.now();
  /** Counts wakes, so that a reader knows whether one came while it read the log. */
  let wakes = 0;
  /** Whether the waiters are being called at the end of this turn. */
  let waking = false;
  /** The readers that wait, and the cursor each has come to. */
  let waiters = new Map<() => void, string>();
  /** The end of the log, as it was read since the last wake: who has come there waits, and need not look again. */
  let end: string | undefined;
  /** Log reads begun since the last wake, shared by the readers at the same cursor. */
  const readings = new Map<string, Promise<Reading>>();
  /** What the ring last gave, and from where. */
  let given: { cursor: string; frames: Frame[] } | undefined;

  function wake() {
    wakes++;
    // A read that began before may not know what woke us.
    readings.clear();
    given = undefined;
    end = undefined;
    if (waking) return;
    waking = true;
    // What else is heard in this turn goes along.
    queueMicrotask(() => {
      waking = false;
      const called = waiters;
      waiters = new Map();
      for (const call of called.keys()) call();
    });
  }

  function forget() {
    ring = [];
    ringBytes = 0;
  }

  function fromRing(cursor: string): Frame[] {
    if (given?.cursor === cursor) return given.frames;
    for (let i = ring.length - 1; i >= 0; i--) {
      if (ring[i]?.prev !== cursor) continue;
      given = { cursor, frames: ring.slice(i) };
      return given.frames;
    }
    return [];
  }

  function fromLog(cursor: string, count: number): Promise<Reading> {
    const shared = readings.get(cursor);
    if (shared) return shared;
    const read = readOn(reads, id, cursor, count).finally(() => {
      if (readings.get(cursor) === read) readings.delete(cursor);
    });
    readings.set(cursor, read);
    return read;
  }

  return {
    id,
    readers: 0,

    /** Takes a live message: `id prev type at`, and the data on a line of its own when it is not too large. */
    hear(message: string) {
      const cut = message.indexOf('\n');
      const [eventId = '', prev = '', type = '', at = '0'] = (cut < 0 ? message : message.slice(0, cut)).split(' ');
      if (ring.at(-1)?.id !== prev) forget();
      // `done` is filled from the record, and a large event carries its id only: both are read from the log.
      if (cut < 0 || type === 'done') {
        forget();
      } else {
        const frame = encodeFrame(id, { id: eventId, prev, type, at: Number(at), data: message.slice(cut + 1) });
        ring.push(frame);
        ringBytes += frame.bytes.length;
        while (ringBytes > RING_BYTES && ring.length > 1) ringBytes -= ring.shift()?.bytes.length ?? 0;
      }
      heardAt = performance.now();
      wake();
    },

    /** Anything may have been missed: its readers turn to the log. */
    doubt() {
      forget();
      wake();
    },
    wake,

    /** How long it has said nothing while readers wait; 0 when none does. `checked` starts it anew. */
    silentMs: () => (waiters.size > 0 ? performance.now() - heardAt : 0),
    checked() {
      heardAt = performance.now();
    },
    /** Whether a reader waits elsewhere than at the end of the log. */
    waitsElsewhere: (tail: string | null | undefined) => waiters.values().some((cursor) => cursor !== tail),

    /** One reader's side. */
    reader() {
      let page = FIRST_PAGE;
      let closed = false;

      async function read(cursor: string, call: () => void): Promise<Pulled> {
        const before = wakes;
        const { frames, tail } = await fromLog(cursor, page);
        if (frames.length > 0) {
          if (tail !== null && wakes === before) end = tail;
          const each = frames.reduce((sum, { bytes }) => sum + bytes.length, 0) / frames.length;
          page = Math.max(1, Math.min(MAX_PAGE, 2 * page, Math.round(PAGE_BYTES / each)));
        } else if (tail === null) {
          return null;
        } else if (!closed) {
          if (wakes !== before) return pull(cursor, call);
          waiters.set(call, cursor);
        }
        return frames;
      }

      function pull(cursor: string, call: () => void): Pulled | Promise<Pulled> {
        const live = fromRing(cursor);
        if (live.length > 0) return live;
        if (cursor !== ring.at(-1)?.id && cursor !== end) return read(cursor, call);
        waiters.set(call, cursor);
        return live;
      }

      return {
        /** At once when it is in memory. When there are none yet, `call` is called, once, when that changes. */
        pull,
        /** Forgets a `call` that was not called yet. */
        unwait: (call: () => void) => void waiters.delete(call),
        close() {
          closed = true;
        },
      };
    },
  };
}
