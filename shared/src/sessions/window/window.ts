/**
 * The recent messages of a session: what the store has of them, cached in Redis, joined with the turns that ended since.
 * A turn is always in one of the two: it begins among the turns, and leaves them only when the store and the cache have it.
 * So the turns are read first.
 */

import type { Catalog } from '../../job-type.ts';
import type { Tasks } from '../../record/tasks.ts';
import type { Message, Window } from '../../session.ts';
import type { Store } from '../../store.ts';
import type { SessionCache } from '../cache.ts';
import { byId, pendingTurns, withoutReplaced } from '../turn/pending-messages.ts';
import type { SessionTurns } from '../turn/turns.ts';
import type { SessionLimits } from '../variables.ts';
import { newestFirst } from './walk-messages.ts';

/** Characters of a window; its last message may bring more, since each may be as large as a request. */
const MAX_WINDOW_CHARS = 12_000_000;

export type WindowDeps = {
  turns: SessionTurns;
  tasks: Tasks;
  catalog: Catalog;
  store: Store;
  sessionCache: SessionCache;
  sessionLimits: SessionLimits;
};

/** Of its owner, else null. Throws `unavailable` when neither the cache nor the store knows. */
export async function readWindow(deps: WindowDeps, owner: string, sessionId: string): Promise<Window | null> {
  const { turns, sessionCache, sessionLimits: limits } = deps;
  const { messages: pending, archived } = await pendingTurns(deps, owner, sessionId, limits.contextMessages);
  let stored = await readStoredWindow(deps, owner, sessionId);
  // Another one's turns look as if they were gone.
  if (stored === null) return null;
  if (archived.length > 0) {
    // Kept by a relay that could not say so any more. What was cached before may lack it.
    if (await sessionCache.dropWindow(sessionId)) await turns.remove(sessionId, archived);
    stored = await readStoredWindow(deps, owner, sessionId);
    if (stored === null) return null;
  }
  const ids = new Set(pending.map(({ id }) => id));
  const standing = withoutReplaced(stored.messages, pending, ({ id, task }) => ({ id, task: task?.id ?? null }));
  const messages = [...standing.filter(({ id }) => !ids.has(id)), ...pending].sort(byId);
  return { ...stored, messages: messages.slice(-limits.contextMessages) };
}

/** What the store has of it, cached or loaded. */
export async function readStoredWindow(
  { store, sessionCache, sessionLimits: limits }: Pick<WindowDeps, 'store' | 'sessionCache' | 'sessionLimits'>,
  owner: string,
  sessionId: string,
): Promise<Window | null> {
  const { window } = await sessionCache.window<Window>(sessionId, async () => {
    const [session, messages] = await Promise.all([
      store.sessions.read(owner, sessionId),
      newest(store, owner, sessionId, limits.contextMessages),
    ]);
    if (session === null) return null;
    const { model, summary } = session;
    return { owner, model, summary, messages };
  });
  return window?.owner === owner ? window : null;
}

/** The newest messages, oldest first: as many as asked for, fewer when they are large. */
async function newest({ messages }: Store, owner: string, sessionId: string, limit: number): Promise<Message[]> {
  const newest: Message[] = [];
  let chars = 0;
  for await (const message of newestFirst(messages, owner, sessionId, null)) {
    newest.push(message);
    chars += message.content.length;
    if (newest.length === limit || chars >= MAX_WINDOW_CHARS) break;
  }
  return newest.reverse();
}
