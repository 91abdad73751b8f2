/**
 * The transcript of an ended task: its event log, cut to a number of bytes. Text goes first, from the middle, so that the
 * beginning, the end and every change of state stay; then what else is largest. A hole shows in the chain of `prev`.
 */
import { compareIds, type LogEntry } from '../event.ts';

/** What an entry takes beside its data. */
const ENTRY_BYTES = 64;
/** Without these nobody knows what the task was and how it ended. */
const ALWAYS = new Set(['queued', 'started', 'done']);

const sizeOf = ({ data }: LogEntry) => Buffer.byteLength(data) + ENTRY_BYTES;

/** Takes the entries of a log in their order; what it must leave out it forgets at once, however long the log is. */
export function createTranscript(maxBytes: number) {
  const others: LogEntry[] = [];
  /** Text from the beginning, up to half of all, and the newest text after it. */
  const head: LogEntry[] = [];
  let tail: LogEntry[] = [];
  let headBytes = 0;
  let tailBytes = 0;
  let otherBytes = 0;
  /** Whether text belongs to the tail now. */
  let halved = false;

  function addText(entry: LogEntry, size: number) {
    halved ||= headBytes + size > maxBytes / 2;
    if (halved) {
      tail.push(entry);
      tailBytes += size;
    } else {
      head.push(entry);
      headBytes += size;
    }
  }

  function cut() {
    let excess = headBytes + tailBytes + otherBytes - maxBytes;
    let gone = 0;
    for (; excess > 0 && gone < tail.length; gone++) {
      const size = sizeOf(tail[gone] as LogEntry);
      tailBytes -= size;
      excess -= size;
    }
    if (gone > 0) tail = tail.slice(gone);
    for (let last = head.at(-1); excess > 0 && last; last = head.at(-1)) {
      head.pop();
      headBytes -= sizeOf(last);
      excess -= sizeOf(last);
    }
  }

  return {
    add(entries: LogEntry[]) {
      for (const entry of entries) {
        const size = sizeOf(entry);
        if (entry.type === 'text') addText(entry, size);
        else {
          others.push(entry);
          otherBytes += size;
        }
      }
      cut();
    },

    /** What is kept, in order. */
    entries(): LogEntry[] {
      let excess = otherBytes - maxBytes;
      const largest = excess > 0 ? [...others].sort((a, b) => sizeOf(b) - sizeOf(a)) : [];
      const left = new Set<LogEntry>();
      for (const entry of largest) {
        if (excess <= 0) break;
        if (ALWAYS.has(entry.type)) continue;
        left.add(entry);
        excess -= sizeOf(entry);
      }
      return [...head, ...tail, ...others.filter((entry) => !left.has(entry))].sort((a, b) => compareIds(a.id, b.id));
    },
  };
}
