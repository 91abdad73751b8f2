/**
 * Reads a log on from a cursor. Each entry names the one before it, so a reader whose cursor is not the one the log goes
 * on from is told: a failover lost what it has seen, or what it has not.
 */
import { compareIds, type Frame, gapFrame } from '../event.ts';

export type LogReads = {
  readLog(id: string, after: string, count: number): Promise<Frame[]>;
  lastIds(ids: string[]): Promise<(string | null)[]>;
};

/**
 * What a log has after a cursor. `tail`: its last id, when it was read to its end; null when there may be more, or, with no
 * frames at all, when the task is gone.
 */
export type Reading = { frames: Frame[]; tail: string | null };

export async function readOn(reads: LogReads, id: string, cursor: string, count: number): Promise<Reading> {
  const frames = await reads.readLog(id, cursor, count);
  const [first] = frames;
  if (first) {
    const tail = frames.length < count ? (frames.at(-1)?.id ?? null) : null;
    return { frames: first.prev === cursor ? frames : [gapFrame(id, cursor, first.prev), ...frames], tail };
  }
  const [tail = null] = await reads.lastIds([id]);
  const isLost = tail !== null && compareIds(tail, cursor) < 0;
  return { frames: isLost ? [gapFrame(id, cursor, tail)] : [], tail };
}
