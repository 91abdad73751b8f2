/** Follows a task: its events after a cursor, in order, without gap or repeat, until the terminal one. */

import type { Frame } from '../event.ts';
import type { Live } from '../live/live.ts';

/**
 * Gives batches of frames; ends after `done`, when `signal` aborts, or when the task is gone. A `gap` stands where events
 * are missing, also for a cursor beyond the log, which reads as its end.
 * The caller has checked that the task exists and is the owner's.
 */
export async function* followTask(
  deps: { live: Live },
  task: { id: string },
  after: string,
  signal: AbortSignal,
): AsyncGenerator<Frame[]> {
  const channel = await deps.live.follow(task.id, signal);
  try {
    let cursor = after;
    for (;;) {
      const frames = await channel.next(cursor, signal);
      const last = frames.at(-1);
      if (!last) return;
      yield frames;
      cursor = last.id;
      if (last.type === 'done') return;
    }
  } finally {
    channel.close();
  }
}
