/**
 * Reads a session and its messages: from the cache, else from the store, and with them what ended tasks said that the store
 * does not have yet, so that an answer is there as soon as its task is done.
 */

import { isUnavailable } from '../errors.ts';
import type { Catalog } from '../job-type.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { isSessionId, type Message, noSession, type Session } from '../session.ts';
import type { Store } from '../store.ts';
import type { SessionCache } from './cache.ts';
import { pendingTurns, withoutReplaced } from './turn/pending-messages.ts';
import type { SessionTurns } from './turn/turns.ts';
import { type MessageView, messageJson } from './view.ts';
import { newestFirst } from './window/walk-messages.ts';

/** Messages that are read, and cached, with a session. */
export const NEWEST_MESSAGES = 50;
/** A page ends when it is this large, with at least one message. */
const MAX_PAGE_CHARS = 4 * 1024 * 1024;

/** How often a session is read again because messages came meanwhile. */
const MAX_TRIES = 5;

/** Oldest first. `more`: there are older ones. */
export type MessagePage = { messages: MessageView[]; more: boolean };
type Asked = { limit: number; before: string | null };
type Stored = MessagePage & { session: Session };

type SessionReads = {
  store: Store;
  sessionCache: SessionCache;
  clock: Clock;
  turns: SessionTurns;
  tasks: Tasks;
  catalog: Catalog;
};

/** Throws `not_found` for an unknown session and for another owner's alike, `unavailable` when the store is away. */
export async function readSession(
  deps: SessionReads,
  owner: string,
  id: string,
): Promise<{ session: Session; page: MessagePage; hit: boolean }> {
  if (!isSessionId(id)) throw noSession();
  // First: what moves from there to the store meanwhile is then seen twice, and not never.
  const pending = await pendingIfAny(deps, owner, id);
  const { json, hit } = await deps.sessionCache.read(owner, id, () => loadSession(deps, owner, id));
  if (json === null) throw noSession();
  const { session, ...stored }: Stored = JSON.parse(json);
  const { page, added, replaced } = withPending(stored, pending, { limit: NEWEST_MESSAGES, before: null });
  return { session: grown(session, added, replaced), page, hit };
}

/** A page of messages, as far as it may be long: those before one id, or the newest. Throws as `readSession` does. */
export async function readMessages(
  deps: SessionReads,
  owner: string,
  id: string,
  asked: Asked,
): Promise<{ page: MessagePage; hit: boolean }> {
  if (asked.before === null && asked.limit <= NEWEST_MESSAGES) {
    const { page, hit } = await readSession(deps, owner, id);
    const messages = page.messages.slice(-asked.limit);
    return { page: { messages, more: page.more || messages.length < page.messages.length }, hit };
  }
  if (!isSessionId(id)) throw noSession();
  const pending = await pendingIfAny(deps, owner, id);
  const stored = await loadPage(deps, owner, id, asked);
  // The session of messages that were found is the owner's.
  if (stored.messages.length === 0 && !(await deps.store.sessions.read(owner, id))) throw noSession();
  return { page: withPending(stored, pending, asked).page, hit: false };
}

/** From the store alone, as JSON text: its numbers and its messages of one moment, though a writer may come between the reads. */
export async function loadSession(deps: { store: Store }, owner: string, id: string): Promise<string | null> {
  const { sessions } = deps.store;
  let session = await sessions.read(owner, id);
  for (let tries = 0; session !== null; tries++) {
    const page = await loadPage(deps, owner, id, { limit: NEWEST_MESSAGES, before: null });
    const after = await sessions.read(owner, id);
    if (after === null) return null;
    if (after.messageCount === session.messageCount || tries === MAX_TRIES) {
      // Writers who never rest: of a session that is read whole, what was read is the count of that moment.
      const messageCount = page.more ? after.messageCount : page.messages.length;
      return JSON.stringify({ session: { ...after, messageCount }, ...page } satisfies Stored);
    }
    session = after;
  }
  return null;
}

async function loadPage(
  { store }: { store: Store },
  owner: string,
  id: string,
  { limit, before }: Asked,
): Promise<MessagePage> {
  const newest: MessageView[] = [];
  const page = (more: boolean) => ({ messages: newest.toReversed(), more });
  let chars = 0;
  for await (const message of newestFirst(store.messages, owner, id, before)) {
    if (newest.length === limit || chars >= MAX_PAGE_CHARS) return page(true);
    newest.push(messageJson(message));
    chars += message.content.length;
  }
  return page(false);
}

/** Without Redis nobody knows of them; what the store has is read all the same. */
async function pendingIfAny(deps: SessionReads, owner: string, id: string): Promise<Message[]> {
  return deps.clock
    .guard(async () => (await pendingTurns(deps, owner, id, Number.POSITIVE_INFINITY)).messages)
    .catch((error: unknown) => {
      if (isUnavailable(error)) return [];
      throw error;
    });
}

/**
 * A page of the store joined with messages that the store may not have: what it gives, which of them are new, and which of the
 * store's they are about to replace.
 */
export function withPending(
  { messages: stored, more }: MessagePage,
  pending: Message[],
  { limit, before }: Asked,
): { page: MessagePage; added: Message[]; replaced: MessageView[] } {
  const messages = withoutReplaced(stored, pending, ({ message_id, task_id }) => ({ id: message_id, task: task_id }));
  const replaced = stored.filter((message) => !messages.includes(message));
  const known = new Set(messages.map(({ message_id }) => message_id));
  const from = more ? (messages[0]?.message_id ?? '') : '';
  const added = pending.filter(({ id }) => !known.has(id) && id > from && (before === null || id < before));
  if (added.length === 0) return { page: { messages, more }, added, replaced };
  const all = [...messages, ...added.map(messageJson)].sort((a, b) => (a.message_id < b.message_id ? -1 : 1));
  return { page: { messages: all.slice(-limit), more: more || all.length > limit }, added, replaced };
}

/** The session as it will be when the store has these messages. */
function grown(session: Session, added: Message[], replaced: MessageView[]): Session {
  const tokens = added.reduce((sum, { usage }) => sum + (usage ? usage.inputTokens + usage.outputTokens : 0), 0);
  const gone = replaced.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), 0);
  return {
    ...session,
    messageCount: session.messageCount + added.length - replaced.length,
    totalTokens: session.totalTokens + tokens - gone,
    updatedAt: Math.max(session.updatedAt, ...added.map(({ createdAt }) => createdAt)),
  };
}
