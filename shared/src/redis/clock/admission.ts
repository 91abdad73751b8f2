/** A Redis that answers is not available before it is admitted, once: its settings are checked, and it is claimed. */
import { isConnectionError } from '../connect.ts';

export function createAdmission(admit: () => Promise<void>) {
  const first = Promise.withResolvers<void>();
  first.promise.catch(() => undefined);
  let state: 'none' | 'asked' | 'given' = 'none';
  return {
    isGiven: () => state === 'given',

    /** Resolves when it is given; rejects when Redis is not acceptable, and it may be asked again. */
    ready: () => first.promise,

    /** Asks for it, unless it is given or somebody asks. A Redis that is away meanwhile is asked at its next answer. */
    async ask(): Promise<void> {
      if (state !== 'none') return;
      state = 'asked';
      try {
        await admit();
        state = 'given';
        first.resolve();
      } catch (error) {
        state = 'none';
        if (!isConnectionError(error)) first.reject(error);
      }
    },
  };
}
