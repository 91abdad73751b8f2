/**
 * Applies what an ended task changes in its session: to the store, then to what Redis holds of the session; only then it
 * leaves the turns. So a reader finds a turn in one of these places at every moment, and whoever is killed between two of
 * the writes repeats them all: each may be done twice. Throws `unavailable` when the store or Redis is away.
 */

import { TaskError } from '../../errors.ts';
import type { Catalog } from '../../job-type.ts';
import type { Log } from '../../log.ts';
import type { Tasks } from '../../record/tasks.ts';
import type { Clock } from '../../redis/clock.ts';
import type { Session, SessionChange } from '../../session.ts';
import type { Store } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import type { SessionCache } from '../cache.ts';
import { ownsSession } from '../owner.ts';
import type { SessionLimits } from '../variables.ts';
import { readStoredWindow } from '../window/window.ts';
import { sessionChangeOf } from './change.ts';
import type { SessionTurns } from './turns.ts';

/** A task that a session is due for, and what makes it one however often it is asked for. */
export type FollowUp = { owner: string; type: string; input: { session_id: string }; idempotencyKey: string };

export type KeepDeps = {
  tasks: Tasks;
  turns: SessionTurns;
  catalog: Catalog;
  store: Store;
  sessionCache: SessionCache;
  sessionLimits: SessionLimits;
  clock: Clock;
  log: Log;
};

/**
 * Gives the tasks that the session is due for now. `replaces`: the task had ended before, and what that end changed may be there;
 * its messages go, also when this end has none.
 */
export async function keepSessionChange(
  deps: KeepDeps,
  task: { record: TaskRecord; input: string | null; replaces?: boolean },
): Promise<FollowUp[]> {
  const { turns, sessionCache, log } = deps;
  const { record } = task;
  // The store may have no place for a large input; the messages in it are smaller, and have theirs.
  const input = task.input ?? (await deps.tasks.readInput(record.id));
  const found = sessionChangeOf(deps.catalog, { record, input });
  if (found === null) return [];
  const { sessionId, replaces = false } = { ...found, ...task };
  const change = found.change ?? (replaces ? { sessionId, messages: [] } : null);
  const session = change && (await apply(deps, record, change, replaces));
  if (change) {
    if (!(await sessionCache.changed(record.owner, sessionId))) {
      throw new TaskError('unavailable', 'Redis did not take the change of a session.');
    }
    // The next message finds its window there, also when the store goes away meanwhile.
    if (session) {
      await Promise.all([readStoredWindow(deps, record.owner, sessionId), ownsSession(deps, record.owner, sessionId)]);
    } else log.info({ task_id: record.id, session_id: sessionId }, 'the session of a task is gone');
  }
  await turns.remove(sessionId, [record.id]);
  return session && change?.messages ? followUps(deps, session) : [];
}

/** The session as it is now, or null when there is none. */
async function apply(
  { store, clock }: KeepDeps,
  { id, owner, attempt, endedAt }: TaskRecord,
  { sessionId, messages, tokens = 0, title, summary }: SessionChange,
  replaces: boolean,
): Promise<Session | null> {
  const now = endedAt ?? clock.now();
  let session: Session | null = null;
  if (messages) {
    const turn = { id, messages, tokens, now, end: { attempt, at: now, replaces } };
    session = await store.messages.append(owner, sessionId, turn);
  }
  if (title !== undefined) session = await store.sessions.setTitle(owner, sessionId, title, 'model', now);
  if (summary) session = await store.sessions.setSummary(owner, sessionId, summary);
  return session;
}

/** Fewer messages are not worth a summary. */
const MIN_SUMMARISED = 5;
const HOUR_MS = 3_600_000;

/**
 * The space keeps these keys apart from those of clients, which have none. The hour in them lets a later turn ask again for
 * what failed.
 */
function followUps({ sessionLimits: limits, clock }: KeepDeps, session: Session): FollowUp[] {
  const { id, owner, title, summary, messageCount } = session;
  if (!limits.autoTitles) return [];
  const input = { session_id: id };
  const wanted: FollowUp[] = [];
  const hour = Math.floor(clock.now() / HOUR_MS);
  if (title === null)
    wanted.push({ owner, type: 'session.title', input, idempotencyKey: `session.title ${id} ${hour}` });
  const uncovered = messageCount - limits.contextMessages - (summary?.messages ?? 0);
  if (messageCount > limits.summaryAfterMessages && uncovered >= MIN_SUMMARISED) {
    const idempotencyKey = `session.summary ${id} ${summary?.upTo ?? 'none'} ${hour}`;
    wanted.push({ owner, type: 'session.summary', input, idempotencyKey });
  }
  return wanted;
}
