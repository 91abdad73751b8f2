/** The newest frames of a followed task, in memory, chained by `prev`. */
import type { Frame } from '../event.ts';

const RING_BYTES = 256 * 1024;

export function createRing() {
  let frames: Frame[] = [];
  let bytes = 0;
  /** What it last gave, and from where. */
  let given: { cursor: string; frames: Frame[] } | undefined;

  function forget() {
    frames = [];
    bytes = 0;
    given = undefined;
  }

  return {
    forget,
    lastId: (): string | undefined => frames.at(-1)?.id,

    /** A frame that does not go on from the last one makes what came before worthless: something was missed. */
    add(frame: Frame) {
      if (frames.at(-1)?.id !== frame.prev) forget();
      given = undefined;
      frames.push(frame);
      bytes += frame.bytes.length;
      while (bytes > RING_BYTES && frames.length > 1) bytes -= frames.shift()?.bytes.length ?? 0;
    },

    /** The frames that go on from a cursor; none when it is not in the ring. Readers at one cursor get the same array. */
    from(cursor: string): Frame[] {
      if (given?.cursor === cursor) return given.frames;
      for (let i = frames.length - 1; i >= 0; i--) {
        if (frames[i]?.prev !== cursor) continue;
        given = { cursor, frames: frames.slice(i) };
        return given.frames;
      }
      return [];
    },
  };
}
