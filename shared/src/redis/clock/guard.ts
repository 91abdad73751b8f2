/** Work under way that is given up as soon as what it needs of Redis is away. */
import { createActiveSet } from '../../active-set.ts';
import type { TaskError } from '../../errors.ts';
import { away } from '../away.ts';
import { isConnectionError } from '../connect.ts';

export function createGuard() {
  const waiting = createActiveSet<{ refuse: (error: TaskError) => void; isMet: () => boolean }>();
  return {
    /** Refuses all whose needs are not met any more. */
    look() {
      for (const { refuse, isMet } of waiting.members()) if (!isMet()) refuse(away());
    },

    /** The promise, or `unavailable` as soon as its needs are not met, or its connection refuses. */
    guard<T>(work: () => Promise<T>, isMet: () => boolean): Promise<T> {
      if (!isMet()) return Promise.reject(away());
      return new Promise((resolve, reject) => {
        const answer = work();
        const leave = waiting.join({
          isMet,
          refuse(error) {
            leave();
            reject(error);
          },
        });
        answer.then(
          (value) => {
            leave();
            resolve(value);
          },
          (error: unknown) => {
            leave();
            reject(isConnectionError(error) ? away(error) : error);
          },
        );
      });
    },
  };
}
