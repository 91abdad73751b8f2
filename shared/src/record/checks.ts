/**
 * The index of open tasks by the time of their next check: which are due, what the sweep must know of them, and when each is
 * checked again.
 */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import type { StoredStatus } from '../task.ts';

/** An open task as the sweep sees it. Times in ms, Redis TIME. */
export type DueTask = {
  id: string;
  /** The check that is due now. */
  checkAt: number;
  type: string;
  owner: string;
  status: StoredStatus;
  attempt: number;
  rank: number;
  createdAt: number;
  dueAt: number;
  startBy: number | null;
  cancelRequestedAt: number | null;
  onExpiry: string | null;
};

/** An open task and when it is looked at next. */
export type Check = { id: string; at: number };

/** Sets the next check of a task unless a script has moved it since the sweep looked. A full Redis takes it: nothing is added. */
const RECHECK = `#!lua flags=allow-oom
for i = 1, #ARGV, 3 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '') == tonumber(ARGV[i + 1]) then
    redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
  end
end`;

const checks = (flat: string[]): Check[] =>
  flat.flatMap((id, index) => (index % 2 === 0 ? [{ id, at: Number(flat[index + 1]) }] : []));

const number = (text: string | null | undefined) => (text === null || text === undefined ? null : Number(text));

export function createChecks(redis: RedisConnection, keys: Keys) {
  return {
    /** Open tasks whose check is due, the longest overdue first. */
    async due(p: number, now: number, limit: number): Promise<Check[]> {
      return checks(await redis.zrange(keys.open(p), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES'));
    },

    /** All open tasks, some at a time; every task that stays open meanwhile is among them. */
    async *open(p: number): AsyncGenerator<Check[]> {
      let cursor = '0';
      do {
        const [next, found] = await redis.zscan(keys.open(p), cursor, 'COUNT', 200);
        cursor = next;
        yield checks(found);
      } while (cursor !== '0');
    },

    /** What the sweep must know of these tasks; those without a record leave the index. */
    async load(p: number, found: Check[]): Promise<DueTask[]> {
      const tasks = await Promise.all(
        found.map(async ({ id, at }): Promise<DueTask | null> => {
          const [type, owner, status, attempt, rank, createdAt, dueAt, startBy, cancelRequestedAt, onExpiry] =
            await redis.hmget(
              keys.task(p, id),
              'type',
              'owner',
              'status',
              'attempt',
              'rank',
              'created_at',
              'due_at',
              'start_by',
              'cancel_requested_at',
              'on_expiry',
            );
          if (!status || !type) {
            await redis.zrem(keys.open(p), id);
            return null;
          }
          return {
            id,
            checkAt: at,
            type,
            owner: owner ?? '',
            status: status as StoredStatus,
            attempt: Number(attempt),
            rank: Number(rank),
            createdAt: Number(createdAt),
            dueAt: Number(dueAt),
            startBy: number(startBy),
            cancelRequestedAt: number(cancelRequestedAt),
            onExpiry: onExpiry ?? null,
          };
        }),
      );
      return tasks.filter((task) => task !== null);
    },

    /** When each task is looked at next. One that ended meanwhile stays away; one that a script moved keeps its time. */
    async recheck(p: number, next: { id: string; seen: number; at: number }[]): Promise<void> {
      if (next.length === 0) return;
      await redis.eval(RECHECK, 1, keys.open(p), ...next.flatMap(({ id, seen, at }) => [id, seen, at]));
    },
  };
}

export type Checks = ReturnType<typeof createChecks>;
