/**
 * Ended tasks that failed on their way to the store while the others of their batch did not. They stand beside the outbox, which
 * goes on without them, and are tried again later. Redis knows which they are; this relay alone knows how often each was tried.
 */

import { isUnavailable } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Failure } from '../part.ts';
import type { Clock } from '../redis/clock.ts';
import type { Deferred } from './deferred.ts';

/** Tries until a task is given up, which are ever further apart, up to so many rounds. */
const TRIES = 10;
const MAX_ROUNDS = 20;

export function createDeferredTasks(
  { deferred, clock, log }: { deferred: Deferred; clock: Clock; log: Log },
  { SWEEP_INTERVAL_MS }: { SWEEP_INTERVAL_MS: number },
) {
  /** Of each partition. */
  const tries = new Map<number, Map<string, number>>();
  function triesIn(partition: number) {
    const some = tries.get(partition) ?? new Map<string, number>();
    tries.set(partition, some);
    return some;
  }

  return {
    /** Whether this relay knows of any. */
    any: (partition: number): boolean => (tries.get(partition)?.size ?? 0) > 0,

    /** The partition is another relay's, which begins to count anew. */
    forget: (partition: number): void => void tries.delete(partition),

    /** Those that are due, the longest first. */
    due: (partition: number, limit: number): Promise<string[]> =>
      clock.guard(() => deferred.due(partition, clock.now(partition), limit), { partition }),

    /** Defers what failed; gives those that are deferred now. The others were given up. */
    async defer(partition: number, failures: Failure[]): Promise<Set<string>> {
      const later = new Set<string>();
      for (const { id, what, error } of failures) {
        // Redis, or a part of it, is away: no fault of the task, however often.
        const tried = triesIn(partition);
        const count = (tried.get(id) ?? 0) + (isUnavailable(error) ? 0 : 1);
        if (count >= TRIES) {
          tried.delete(id);
          log.error({ error, task_id: id }, what);
          continue;
        }
        log[count === 1 && !isUnavailable(error) ? 'warn' : 'debug'](
          { error, task_id: id },
          'a task is archived later than the others',
        );
        const at = clock.now(partition) + SWEEP_INTERVAL_MS * Math.min(2 ** count, MAX_ROUNDS);
        await clock.guard(() => deferred.add(partition, id, at), { partition });
        // What Redis did not take comes by the outbox again, and nobody would release it.
        tried.set(id, count);
        later.add(id);
      }
      return later;
    },

    /** They are done with. */
    async release(partition: number, ids: string[]): Promise<void> {
      for (const id of ids) tries.get(partition)?.delete(id);
      await clock.guard(() => deferred.remove(partition, ids), { partition });
    },
  };
}
