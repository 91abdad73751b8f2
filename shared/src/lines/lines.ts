/**
 * Lines: the tasks of a session that take turns, in the order in which they were accepted. What a line says of a task may be
 * out of date (it was cancelled, its API died before it was created); whoever waits for it looks at its record.
 */
import type { RedisConnection } from '../redis/connect.ts';
import { createScripts, readScripts } from '../redis/scripts.ts';

/** `free` waits for nobody; `last` and `first` take turns; `alone` is refused where anybody is there. */
export type How = 'free' | 'last' | 'first' | 'alone';

/**
 * A task that is ahead of another one: when it was accepted, null while it waits itself; and the fence of its turn, '' while it has
 * none.
 */
export type Ahead = { id: string; accepted: number | null; fence: string };

function toAhead(id: string, turn: string): Ahead {
  const [, accepted, fence = ''] = turn.split(':');
  return { id, accepted: accepted === undefined ? null : Number(accepted), fence };
}

/** From ids and turns, one after the other. */
const aheadOf = (flat: (string | number)[]): Ahead[] =>
  flat.flatMap((id, at) => (at % 2 === 0 ? [toAhead(String(id), String(flat[at + 1]))] : []));

const SCRIPTS = readScripts(new URL('scripts/', import.meta.url), ['enter', 'look', 'leave'] as const);
/** Longer than any attempt takes. Whoever waits looks much more often. */
const KEPT_MS = 7 * 86_400_000;

export function createLines(redis: RedisConnection, prefix: string, config: { MAX_LINE_TASKS: number }) {
  const run = createScripts(redis, SCRIPTS, 0);
  const keysOf = (session: string) => [`${prefix}:{s:${session}}:line`, `${prefix}:{s:${session}}:turn`];

  return {
    /** What of Redis a line needs. */
    needs: (session: string) => ({ key: keysOf(session)[0] ?? '' }),

    /** `accepted` is its place: for `look`, and for one that comes back. */
    async enter(
      session: string,
      id: string,
      how: How,
      before = '',
    ): Promise<{ verdict: 'entered'; accepted: string } | { verdict: 'busy'; ahead: Ahead[] } | { verdict: 'full' }> {
      const [verdict, ...rest] = await run('enter', keysOf(session), [id, how, config.MAX_LINE_TASKS, KEPT_MS, before]);
      if (verdict === 'entered') return { verdict, accepted: String(rest[0]) };
      return verdict === 'busy' ? { verdict, ahead: aheadOf(rest) } : { verdict: 'full' };
    },

    /** Those ahead of it; none: it is its turn, which it has taken under this fence. */
    async look(session: string, id: string, place: { accepted: string; fence: string }): Promise<Ahead[]> {
      const [, ...rest] = await run('look', keysOf(session), [id, place.accepted, place.fence, KEPT_MS]);
      return aheadOf(rest);
    },

    /** Those whose turn it is, and those that wait for nobody, by when they were accepted. */
    async turns(session: string): Promise<Ahead[]> {
      const found = await redis.hgetall(keysOf(session)[1] ?? '');
      return Object.entries(found)
        .map(([id, turn]) => toAhead(id, turn))
        .sort((one, other) => (one.accepted ?? 0) - (other.accepted ?? 0));
    },

    /** Gives its place back, and its turn if it has it under this fence ('*': any). Gives who is next; null while it is another one's turn. */
    async leave(session: string, { id, fence }: Pick<Ahead, 'id' | 'fence'>): Promise<string | null> {
      const [next] = await run('leave', keysOf(session), [id, fence]);
      return next === undefined ? null : String(next);
    },
  };
}

export type Lines = ReturnType<typeof createLines>;
