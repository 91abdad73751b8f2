/**
 * Reads the events of a task out of the store, as its readers had them from Redis. A task's log is in memory once, for as
 * long as somebody reads it; its frames are made when their reader takes them.
 */
import { compareIds, encodeFrame, type Frame, gapFrame, type LogEntry } from '../event.ts';
import { createOwnerLines, IN_LINE } from '../owners/lines.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import { doneData } from '../task-view.ts';

/** What one pull gives: at least one event, and no more once it is so large. */
const PAGE_BYTES = 64 * 1024;
/** About what an entry takes beside its data. */
const ENTRY_BYTES = 200;

/** Logs of one owner that leave the store at once, in one process: each may be megabytes, which others' reads wait for. */
const READ_AT_ONCE = 2;

const isLarge = (data: string) => data.length > PAGE_BYTES / 2;

/** An ended task's log, shared by its readers. */
export type ArchivedLog = {
  entries: readonly LogEntry[];
  /** About what it takes. */
  bytes: number;
  /** The frame of an entry. A large one is made once, as that of the end, which has the output. */
  frame(entry: LogEntry): Frame;
};

export type ArchivedEvents = ReturnType<typeof createArchivedEvents>;

/** `waitMs`: how long a log may wait for its turn to be read. */
export function createArchivedEvents({ store }: { store: Store }, waitMs: number) {
  const lines = createOwnerLines({ atOnce: READ_AT_ONCE, inLine: IN_LINE, waitMs });
  const opened = new Map<string, { log: Promise<ArchivedLog | null>; readers: number }>();

  async function load(owner: string, id: string): Promise<ArchivedLog | null> {
    const entries = await fromStore(store.tasks.readEvents(owner, id));
    const record = entries && (await fromStore(store.tasks.read(owner, id, 'whole')));
    if (!record || record === 'purged') return null;
    const events = entries.map((entry) => (entry.type === 'done' ? { ...entry, data: doneData(record) } : entry));
    const large = new Map<LogEntry, Frame>();
    return {
      entries: events,
      bytes: events.reduce((sum, { data }) => sum + data.length * (isLarge(data) ? 2 : 1) + ENTRY_BYTES, 0),
      frame(entry) {
        const frame = large.get(entry) ?? encodeFrame(id, entry);
        if (isLarge(entry.data)) large.set(entry, frame);
        return frame;
      },
    };
  }

  return {
    /**
     * Opens a task's log for one reader, who closes it; null when the store does not have the task. Throws `rate_limited` when
     * too many logs of the owner wait to be read.
     */
    async open(owner: string, id: string): Promise<{ log: ArchivedLog; close(): void } | null> {
      const name = `${owner} ${id}`;
      const place = opened.get(name) ?? { log: lines.run(owner, () => load(owner, id)), readers: 0 };
      opened.set(name, place);
      place.readers++;
      let closed = false;
      const close = () => {
        if (closed) return;
        closed = true;
        if (--place.readers === 0) opened.delete(name);
      };
      try {
        const log = await place.log;
        if (log) return { log, close };
      } catch (error) {
        close();
        throw error;
      }
      close();
      return null;
    },
    /** Logs in memory now. */
    size: () => opened.size,
  };
}

/** The next frames after a cursor, with a `gap` where events were cut; none at the end. */
export function archivedFrames({ entries, frame }: ArchivedLog, id: string, after: string): Frame[] {
  const frames: Frame[] = [];
  let last = after;
  let bytes = 0;
  for (let i = firstAfter(entries, after); i < entries.length && bytes < PAGE_BYTES; i++) {
    const entry = entries[i] as LogEntry;
    if (entry.prev !== last) frames.push(gapFrame(id, last, entry.prev));
    const made = frame(entry);
    // A large one comes by itself: it may have to wait for room, and what is before it need not.
    if (bytes > 0 && bytes + made.bytes.length > PAGE_BYTES) break;
    frames.push(made);
    bytes += made.bytes.length;
    last = entry.id;
  }
  return frames;
}

/** The index of the first entry after a cursor. */
function firstAfter(entries: readonly LogEntry[], after: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareIds((entries[middle] as LogEntry).id, after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
