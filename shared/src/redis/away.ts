/** Redis as something that may be away: what cannot be asked of it now is `unavailable`, and no fault of who asks. */
import { TaskError } from '../errors.ts';
import { isConnectionError } from './connect.ts';

export const away = (cause?: unknown) =>
  new TaskError('unavailable', 'Redis is not reachable.', { cause, retryAfterMs: 1_000 });

/** What the connection or Redis refuses for now becomes `unavailable`. */
export function orUnavailable<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw isConnectionError(error) ? away(error) : error;
  });
}
