/** Whose a session is: all that a submit asks of it. What was said in it may be megabytes, which only its runner needs. */
import type { Deps } from '../deps.ts';

/** False for another one's and for one that is not there, alike. Throws `unavailable` when neither the cache nor the store knows. */
export function ownsSession(
  { store, sessionCache }: Pick<Deps, 'store' | 'sessionCache'>,
  owner: string,
  sessionId: string,
): Promise<boolean> {
  return sessionCache.owns(owner, sessionId, async () => (await store.sessions.read(owner, sessionId)) !== null);
}
