/** Reads the events of a task out of the store, as its readers had them from Redis. */

import { compareIds, encodeFrame, type Frame, gapFrame } from '../event.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import { doneData } from '../task-view.ts';

/** All frames after a cursor, with a `gap` where events were cut; null when the store does not have the task. */
export async function readArchivedEvents(
  { store }: { store: Store },
  owner: string,
  id: string,
  after: string,
): Promise<Frame[] | null> {
  const entries = await fromStore(store.tasks.readEvents(owner, id));
  const record = entries && (await fromStore(store.tasks.read(owner, id, 'whole')));
  if (!record || record === 'purged') return null;
  const frames: Frame[] = [];
  let last = after;
  for (const entry of entries) {
    if (compareIds(entry.id, after) <= 0) continue;
    if (entry.prev !== last) frames.push(gapFrame(id, last, entry.prev));
    frames.push(encodeFrame(id, entry.type === 'done' ? { ...entry, data: doneData(record) } : entry));
    last = entry.id;
  }
  return frames;
}
