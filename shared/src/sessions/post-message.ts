/**
 * Adds a message that no task made to a session. With an Idempotency-Key the first request's id and time are claimed
 * before the store is written to: a repeat writes the same message again, which the store passes over.
 */

import { TaskError } from '../errors.ts';
import type { Claims } from '../redis/claims.ts';
import type { Clock } from '../redis/clock.ts';
import { isSessionId, type Message, makeMessageId, noSession, type Session } from '../session.ts';
import type { Store } from '../store.ts';
import { canonicalJson, sha256 } from '../task-id.ts';
import type { SessionCache } from './cache.ts';
import { ownsSession } from './owner.ts';

/** The message, and what it used, which counts for its session. */
export type NewMessage = Omit<Message, 'id' | 'createdAt' | 'task'>;

type PostDeps = { clock: Clock; store: Store; sessionCache: SessionCache; claims: Claims };
type Claim = { id: string; at: number; fingerprint: string };

/** Throws `not_found`, `idempotency_conflict` or `unavailable`. After `unavailable` the message may have been added. */
export async function postMessage(
  deps: PostDeps,
  { owner, sessionId, idempotencyKey }: { owner: string; sessionId: string; idempotencyKey: string | undefined },
  given: NewMessage,
): Promise<{ message: Message; session: Session; replayed: boolean }> {
  if (!isSessionId(sessionId)) throw noSession();
  const { clock, store, sessionCache } = deps;
  const now = clock.now();
  const fingerprint = sha256(canonicalJson(given));
  const fresh: Claim = { id: makeMessageId(now), at: now, fingerprint };
  const stood = idempotencyKey === undefined ? null : await claim(deps, [owner, sessionId, idempotencyKey], fresh);
  if (stood && stood.fingerprint !== fingerprint) {
    throw new TaskError('idempotency_conflict', 'This Idempotency-Key was used for another message of this session.');
  }
  const { id, at } = stood ?? fresh;
  const message: Message = { ...given, id, createdAt: at, task: null };
  const tokens = given.usage ? given.usage.inputTokens + given.usage.outputTokens : 0;
  const session = await store.messages.append(owner, sessionId, { id, messages: [message], tokens, now: at });
  if (!session) throw noSession();
  await sessionCache.changed(owner, sessionId);
  return { message, session, replayed: stood !== null };
}

/** Only of a session that is there, and while Redis has room: a claim stays for a day. */
async function claim(deps: PostDeps, name: [string, string, string], fresh: Claim): Promise<Claim | null> {
  const { clock, claims } = deps;
  const [owner, sessionId] = name;
  if (!(await ownsSession(deps, owner, sessionId))) throw noSession();
  if (clock.full()) {
    throw new TaskError('unavailable', 'Redis is nearly full. Nothing was added.', { retryAfterMs: 5_000 });
  }
  const hash = sha256(name.join('\n'));
  const stood = await clock.guard(() => claims.claim(hash, JSON.stringify(fresh)), claims.needs(hash));
  return stood === null ? null : JSON.parse(stood);
}
