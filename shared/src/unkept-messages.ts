/**
 * Messages of ended tasks that the store may not have yet: derived from their records, so that readers see them at once.
 * Whoever joins them with the store's asks for these FIRST: a turn that is on its way is then found in one of the two
 * places, or in both, by the same message ids.
 */
import type { Deps } from './deps.ts';
import type { Message } from './session.ts';
import { sessionChangeOf } from './session-change.ts';
import { isEnd } from './task.ts';

const PAGE = 50;
/** The most turns that are looked at: while the store is away they become ever more, and all but the newest are history. */
const MAX_TURNS = 500;

type Reads = Pick<Deps, 'turns' | 'tasks' | 'catalog'>;

/** The newest of them, `limit` or a turn more, oldest first. */
export async function unkeptMessages(
  deps: Reads,
  owner: string,
  sessionId: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<Message[]> {
  return (await unkeptTurns(deps, owner, sessionId, limit)).messages;
}

/** `archived`: some turn has left Redis since it began, so the store has it and what was read of it before may not. */
export async function unkeptTurns(
  { turns, tasks, catalog }: Reads,
  owner: string,
  sessionId: string,
  limit: number,
): Promise<{ messages: Message[]; archived: string[] }> {
  const messages: Message[] = [];
  const archived: string[] = [];
  let before: string | null = null;
  for (let looked = 0; looked < MAX_TURNS && messages.length < limit; looked += PAGE) {
    const ids: string[] = await turns.list(sessionId, before, PAGE);
    const states = await tasks.states(ids);
    for (const [at, id] of ids.entries()) {
      const status = states[at]?.status ?? null;
      if (status === null) archived.push(id);
      if (status === null || !isEnd(status) || messages.length >= limit) continue;
      const [record, input] = await Promise.all([tasks.read(owner, id), tasks.readInput(id)]);
      if (record === null) archived.push(id);
      else messages.push(...(sessionChangeOf(catalog, { record, input })?.change?.messages ?? []));
    }
    before = ids.at(-1) ?? null;
    if (ids.length < PAGE) break;
  }
  return { messages: messages.sort(byId), archived };
}

/** The order of a conversation. */
export const byId = (a: Message, b: Message) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
