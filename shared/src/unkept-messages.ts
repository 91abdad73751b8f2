/**
 * Messages of ended tasks that the store may not have yet: derived from their records, so that readers see them at once.
 * Whoever joins them with the store's asks for these FIRST: a turn that is on its way is then found in one of the two
 * places, or in both, by the same message ids.
 */
import type { Deps } from './deps.ts';
import type { Message } from './session.ts';
import { sessionChangeOf } from './session-change.ts';
import { isEnd } from './task.ts';

/** Turns that are read at once. */
const PAGE = 10;
/** The most turns that are looked at, and characters they may have: while the store is away they become ever more. */
const MAX_TURNS = 500;
const MAX_CHARS = 16 * 1024 * 1024;

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
  let chars = 0;
  for (let looked = 0; looked < MAX_TURNS && chars < MAX_CHARS && messages.length < limit; looked += PAGE) {
    const ids: string[] = await turns.list(sessionId, before, PAGE);
    const found = await Promise.all(ids.map((id) => readTurn(id)));
    for (const [at, turn] of found.entries()) {
      if (turn === 'gone') archived.push(ids[at] ?? '');
      else if (messages.length < limit) messages.push(...turn);
    }
    chars = messages.reduce((sum, { content }) => sum + content.length, 0);
    before = ids.at(-1) ?? null;
    if (ids.length < PAGE) break;
  }
  // A retry and what it repeats have their question in common.
  const each = new Map(messages.map((message) => [message.id, message]));
  return { messages: [...each.values()].sort(byId), archived };

  async function readTurn(id: string): Promise<Message[] | 'gone'> {
    const [state] = await tasks.states([id]);
    if (!state?.status) return 'gone';
    if (!isEnd(state.status)) return [];
    const [record, input] = await Promise.all([tasks.read(owner, id), tasks.readInput(id)]);
    return record ? (sessionChangeOf(catalog, { record, input })?.change?.messages ?? []) : 'gone';
  }
}

/** The order of a conversation. */
export const byId = (a: Message, b: Message) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
