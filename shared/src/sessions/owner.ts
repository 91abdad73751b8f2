/** Whose a session is: all that a submit asks of it. What was said in it may be megabytes, which only its runner needs. */

import type { Store } from '../store.ts';
import type { SessionCache } from './cache.ts';

/** False for another one's and for one that is not there, alike. Throws `unavailable` when neither the cache nor the store knows. */
export function ownsSession(
  { store, sessionCache }: { store: Store; sessionCache: SessionCache },
  owner: string,
  sessionId: string,
): Promise<boolean> {
  return sessionCache.owns(owner, sessionId, async () => (await store.sessions.read(owner, sessionId)) !== null);
}
