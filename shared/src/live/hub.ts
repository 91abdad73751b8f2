/**
 * The hub of one followed task: a ring of encoded frames, chained by `prev`, that any number of readers share. A reader at
 * cursor c takes the frames of the ring that continue c, and waits when c is its newest; when the chain is broken (a
 * message was lost or too large, the reader is slow, it just came) it reads the log instead, and is told of a gap when the
 * log does not go on from c either.
 */
import { encodeFrame, type Frame } from '../event.ts';
import { type LogReads, type Reading, readOn } from './read-on.ts';
import { createRing } from './ring.ts';

/** What one read of the log should give: more events when they are small, fewer when they are large. */
const PAGE_BYTES = 64 * 1024;
const FIRST_PAGE = 16;
const MAX_PAGE = 512;

/** Frames after a cursor; none: there are no more yet; null: the task is gone. Readers at one cursor get the same array. */
export type Pulled = Frame[] | null;

export type Hub = ReturnType<typeof createHub>;

export function createHub(id: string, reads: LogReads) {
  const ring = createRing();
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
  /** The frame of the end, which holds the whole output: its readers share one. */
  let done: Frame | undefined;
  /** Log reads begun since the last wake, shared by the readers at the same cursor. */
  const readings = new Map<string, Promise<Reading>>();

  function wake() {
    wakes++;
    // A read that began before may not know what woke us.
    readings.clear();
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

  function shareDone(reading: Reading): Reading {
    const last = reading.frames.at(-1);
    if (last?.type !== 'done') return reading;
    if (done?.id !== last.id || done.prev !== last.prev) done = last;
    return { ...reading, frames: [...reading.frames.slice(0, -1), done] };
  }

  function fromLog(cursor: string, count: number): Promise<Reading> {
    const shared = readings.get(cursor);
    if (shared) return shared;
    const read = readOn(reads, id, cursor, count)
      .then(shareDone)
      .finally(() => {
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
      // `done` is filled from the record, and a large event carries its id only: both are read from the log.
      if (cut < 0 || type === 'done') ring.forget();
      else ring.add(encodeFrame(id, { id: eventId, prev, type, at: Number(at), data: message.slice(cut + 1) }));
      heardAt = performance.now();
      wake();
    },

    /** Anything may have been missed: its readers turn to the log. */
    doubt() {
      ring.forget();
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

    reader: () =>
      createReader(ring, {
        fromLog,
        wakes: () => wakes,
        isEnd: (cursor) => cursor === end,
        atEnd: (cursor) => {
          end = cursor;
        },
        wait: (call, cursor) => waiters.set(call, cursor),
        unwait: (call) => waiters.delete(call),
      }),
  };
}

/** What a reader uses of its hub. */
type Shared = {
  fromLog(cursor: string, count: number): Promise<Reading>;
  wakes(): number;
  /** Whether the log is known to end here. */
  isEnd(cursor: string): boolean;
  atEnd(cursor: string): void;
  wait(call: () => void, cursor: string): void;
  unwait(call: () => void): void;
};

/** One reader's side. */
function createReader(ring: ReturnType<typeof createRing>, hub: Shared) {
  let page = FIRST_PAGE;
  let closed = false;

  async function read(cursor: string, call: () => void): Promise<Pulled> {
    const before = hub.wakes();
    const { frames, tail } = await hub.fromLog(cursor, page);
    if (frames.length > 0) {
      if (tail !== null && hub.wakes() === before) hub.atEnd(tail);
      const each = frames.reduce((sum, { bytes }) => sum + bytes.length, 0) / frames.length;
      page = Math.max(1, Math.min(MAX_PAGE, 2 * page, Math.round(PAGE_BYTES / each)));
    } else if (tail === null) {
      return null;
    } else if (!closed) {
      if (hub.wakes() !== before) return pull(cursor, call);
      hub.wait(call, cursor);
    }
    return frames;
  }

  function pull(cursor: string, call: () => void): Pulled | Promise<Pulled> {
    const live = ring.from(cursor);
    if (live.length > 0) return live;
    if (cursor !== ring.lastId() && !hub.isEnd(cursor)) return read(cursor, call);
    hub.wait(call, cursor);
    return live;
  }

  return {
    /** At once when it is in memory. When there are none yet, `call` is called, once, when that changes. */
    pull,
    /** Forgets a `call` that was not called yet. */
    unwait: (call: () => void) => hub.unwait(call),
    close() {
      closed = true;
    },
  };
}
