/** Where the frames of a stream come from: the live hub of the task, or the store. */
import { TaskError } from '@beanline/shared/errors.ts';
import { type ArchivedEvents, archivedFrames } from '@beanline/shared/tasks/read-archived-events.ts';
import type { Api } from '../http/context.ts';
import { type ByteBudget, COUNTED_BYTES, SOCKET_BYTES } from '../http/memory/byte-budget.ts';

export type Followed = { id: string; owner: string; archived: boolean };

export type Channel = Pick<Awaited<ReturnType<Api['deps']['live']['follow']>>, 'pull' | 'unwait' | 'close'>;

/** A log that the store does not have, or for which there is no room, or no turn: its reader comes back, and is told then. */
const NOTHING: Channel = { pull: () => null, unwait: () => undefined, close: () => undefined };

/** An archived task says nothing more, so nothing is subscribed to. Its log, and what the system takes of it, count as its owner's while it is open. */
export async function openArchive(
  archive: ArchivedEvents,
  answers: ByteBudget,
  { owner, id }: Followed,
): Promise<Channel> {
  const opened = await archive.open(owner, id).catch((error: unknown) => {
    if (error instanceof TaskError && error.code === 'rate_limited') return null;
    throw error;
  });
  if (!opened) return NOTHING;
  const { log } = opened;
  const taken = Math.min(log.bytes, SOCKET_BYTES);
  const bytes = taken + (answers.isShared(log) ? 0 : log.bytes);
  if (log.bytes > COUNTED_BYTES && answers.passes(owner, bytes) !== null) {
    opened.close();
    return NOTHING;
  }
  const giveBack = [answers.share(owner, log, log.bytes), answers.hold(owner, taken).release];
  return {
    pull(cursor) {
      const frames = archivedFrames(log, id, cursor);
      return frames.length > 0 ? frames : null;
    },
    unwait: () => undefined,
    close() {
      for (const release of giveBack) release();
      opened.close();
    },
  };
}
