/** What a client is told when the store is away. */
import { isUnavailable, TaskError } from '../errors.ts';

const RETRY_AFTER_MS = 1_000;

/** The answer of the store; `unavailable` says that it may be worth asking again. */
export async function fromStore<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw new TaskError('unavailable', 'The store is not reachable, and what was asked for may be there.', {
      cause: error,
      retryAfterMs: error.retryAfterMs ?? RETRY_AFTER_MS,
    });
  }
}
