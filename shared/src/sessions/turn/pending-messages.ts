/**
 * Messages of ended tasks that the store may not have yet: derived from their records, so that readers see them at once.
 * Whoever joins them with the store's asks for these FIRST: a turn that is on its way is then found in one of the two
 * places, or in both, by the same message ids.
 */

import type { Catalog } from '../../job-type.ts';
import type { Tasks } from '../../record/tasks.ts';
import { orUnavailable } from '../../redis/away.ts';
import { type Message, turnIdOf } from '../../session.ts';
import { sessionChangeOf } from './change.ts';
import type { SessionTurns } from './turns.ts';

/** Turns that are loaded at once. */
const PAGE = 10;
/** The most turns that are looked at, and characters they may have: while the store is away they become ever more. */
const MAX_TURNS = 500;
const MAX_CHARS = 16 * 1024 * 1024;

type Reads = { turns: SessionTurns; tasks: Tasks; catalog: Catalog };

/**
 * The newest of them, `limit` or a turn more, oldest first. `archived`: turns that have left Redis since they began: the store has
 * them, and what was read of it before may lack them. Throws `unavailable` while Redis refuses.
 */
export async function pendingTurns(
  { turns, tasks, catalog }: Reads,
  owner: string,
  sessionId: string,
  limit: number,
): Promise<{ messages: Message[]; archived: string[] }> {
  const ids = await orUnavailable(turns.list(sessionId, MAX_TURNS));
  const ends = await orUnavailable(tasks.ends(ids));
  const archived = ids.filter((_, at) => ends[at] === undefined);
  const ended = ids.flatMap((id, at) => {
    const endedAt = ends[at];
    return typeof endedAt === 'number' ? [{ id, turn: turnIdOf({ id, endedAt }) }] : [];
  });
  // A task may end long after those that were submitted behind it.
  ended.sort((a, b) => (a.turn > b.turn ? -1 : 1));

  const messages: Message[] = [];
  let chars = 0;
  for (let at = 0; at < ended.length && chars < MAX_CHARS && messages.length < limit; at += PAGE) {
    const page = ended.slice(at, at + PAGE);
    const found = await Promise.all(page.map(({ id }) => readTurn(id)));
    for (const [index, turn] of found.entries()) {
      if (turn === 'gone') archived.push(page[index]?.id ?? '');
      else if (messages.length < limit) messages.push(...turn);
    }
    chars = messages.reduce((sum, { content }) => sum + content.length, 0);
  }
  // A retry and what it repeats have their question in common.
  const each = new Map(messages.map((message) => [message.id, message]));
  return { messages: [...each.values()].sort(byId), archived };

  async function readTurn(id: string): Promise<Message[] | 'gone'> {
    const [record, input] = await orUnavailable(Promise.all([tasks.read(owner, id), tasks.readInput(id)]));
    return record ? (sessionChangeOf(catalog, { record, input })?.change?.messages ?? []) : 'gone';
  }
}

/** The order of a conversation. */
export const byId = (a: Message, b: Message) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** Without what an earlier end of these turns' tasks left in the store: it is about to be replaced by them. */
export function withoutReplaced<Kept>(
  kept: Kept[],
  pending: Message[],
  of: (message: Kept) => { id: string; task: string | null },
) {
  const ids = new Set(pending.map(({ id }) => id));
  const tasks = new Set(pending.flatMap(({ task }) => task?.id ?? []));
  return kept.filter((message) => {
    const { id, task } = of(message);
    return ids.has(id) || task === null || !tasks.has(task);
  });
}
