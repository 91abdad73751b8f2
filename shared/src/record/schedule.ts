/** The relay's side of Redis: who holds a partition, which open tasks are due for a check, the bus, and what is kept. */

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

/** One transition, as the bus tells it. */
export type BusEntry = { entryId: string; task: string; to: string; at: number };

/** An open task and when it is looked at next. */
type Check = { id: string; at: number };

/** Takes a partition for ARGV 1 for ARGV 2 ms: 1 taken, 0 held already, -1 another's. A full Redis allows it: the relay makes room. */
const LEASE = `#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
if holder then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

/** Sets the next check of a task unless a script has moved it since the sweep looked. A full Redis takes it: nothing is added. */
const RECHECK = `#!lua flags=allow-oom
for i = 1, #ARGV, 3 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '') == tonumber(ARGV[i + 1]) then
    redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
  end
end`;

/** Ended tasks may be removed so long after now (ARGV 1, ms); a repeat leaves the time it had. A full Redis takes it: it makes room. */
const KEEP = `#!lua flags=allow-oom
local clock = redis.call('TIME')
local at = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'NX', at, ARGV[i]) end`;

/** An ended task (ARGV 2) is tried again at a time (ARGV 1). A full Redis takes it: what follows the task makes room. */
const HOLD = `#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])`;

/** Sinks of earlier releases: a cursor that nobody moves any more would hold the bus for ever. */
const RETIRED_SINKS = ['retention'];

/** A sink (ARGV 1) begins with the bus, or stays where it is. A full Redis takes it: what the sink has may leave. */
const REGISTER = `#!lua flags=allow-oom
redis.call('HSETNX', KEYS[1], ARGV[1], '0-0')`;

/** A sink (ARGV 1) has come to an entry (ARGV 2); other names are sinks that are no more. A full Redis takes it: the bus shrinks. */
const CONFIRM = `#!lua flags=allow-oom
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for i = 3, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
return redis.call('HVALS', KEYS[1])`;

/** The position of the slowest sink. */
export function lowestCursor(cursors: string[]): string | undefined {
  return cursors.sort((a, b) => {
    const [msA = '0', seqA = '0'] = a.split('-');
    const [msB = '0', seqB = '0'] = b.split('-');
    return Number(msA) - Number(msB) || Number(seqA) - Number(seqB);
  })[0];
}

const checks = (flat: string[]): Check[] =>
  flat.flatMap((id, index) => (index % 2 === 0 ? [{ id, at: Number(flat[index + 1]) }] : []));

const number = (text: string | null | undefined) => (text === null || text === undefined ? null : Number(text));

export function createSchedule(redis: RedisConnection, keys: Keys) {
  return {
    /** Takes or keeps a partition for `ttlMs`; `fresh` when it was not ours before. Two holders at once do no harm. */
    async lease(p: number, holder: string, ttlMs: number): Promise<{ held: boolean; fresh: boolean }> {
      const taken = Number(await redis.eval(LEASE, 1, keys.lease(p), holder, ttlMs));
      return { held: taken >= 0, fresh: taken === 1 };
    },

    async unlease(p: number, holder: string): Promise<void> {
      if ((await redis.get(keys.lease(p))) === holder) await redis.del(keys.lease(p));
    },

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

    /** From now on nothing leaves the bus that this sink has not confirmed. */
    async registerSink(p: number, sink: string): Promise<void> {
      await redis.eval(REGISTER, 1, keys.cursors(p), sink);
    },

    /** The entry that the bus ends with, which is another one whenever something came; null when it is empty. */
    async newestOnBus(p: number): Promise<string | null> {
      const [newest] = await redis.xrevrange(keys.bus(p), '+', '-', 'COUNT', 1);
      return newest?.[0] ?? null;
    },

    /** The next transitions a sink has not confirmed. */
    async readBus(p: number, sink: string, limit: number): Promise<BusEntry[]> {
      const cursor = (await redis.hget(keys.cursors(p), sink)) ?? '0-0';
      const rows = await redis.xrange(keys.bus(p), `(${cursor}`, '+', 'COUNT', limit);
      return rows.map(([entryId, fields]) => {
        const value = (name: string) => fields[fields.findIndex((text, at) => at % 2 === 0 && text === name) + 1] ?? '';
        return { entryId, task: value('task'), to: value('to'), at: Number(value('at')) };
      });
    },

    /** Confirms all up to an entry for a sink, and trims what every sink has confirmed. */
    async confirmBus(p: number, sink: string, entryId: string): Promise<void> {
      // The retired ones each time: a relay of an earlier release, which still runs, would write its own again.
      const cursors = await redis.eval(CONFIRM, 1, keys.cursors(p), sink, entryId, ...RETIRED_SINKS);
      const lowest = lowestCursor(cursors as string[]);
      // MINID keeps the entry itself, which costs nothing and keeps the rule simple.
      if (lowest) await redis.xtrim(keys.bus(p), 'MINID', lowest);
    },

    /** Marks ended tasks, which the store has, for removal after the retention, counted from now by Redis TIME. */
    async keep(p: number, ids: string[], retentionMs: number): Promise<void> {
      if (ids.length > 0) await redis.eval(KEEP, 1, keys.archived(p), String(retentionMs), ...ids);
    },

    /** Ended tasks that relays from before the store keep; whether the store has them is not known. */
    keptBefore(p: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.kept(p), '0', String(limit - 1));
    },

    async forgetKeptBefore(p: number, ids: string[]): Promise<void> {
      if (ids.length > 0) await redis.zrem(keys.kept(p), ...ids);
    },

    /** An ended task that could not be archived with the others is tried again at a time (ms, Redis TIME). */
    async hold(p: number, id: string, at: number): Promise<void> {
      await redis.eval(HOLD, 1, keys.held(p), String(at), id);
    },

    heldDue(p: number, now: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.held(p), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit);
    },

    async unhold(p: number, ids: string[]): Promise<void> {
      if (ids.length > 0) await redis.zrem(keys.held(p), ...ids);
    },

    /**
     * Removes ended tasks that the store has, when their retention is over; their idempotency keys live for
     * `idempotencyMs` at least. Gives how many.
     */
    async removeExpired(p: number, now: number, limit: number, idempotencyMs: number): Promise<number> {
      const ids = await redis.zrange(keys.archived(p), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit);
      await Promise.all(
        ids.map(async (id) => {
          const [owner, idemKey, createdAt] = await redis.hmget(keys.task(p, id), 'owner', 'idem_key', 'created_at');
          // A time that is over removes the key at once.
          if (idemKey) await redis.pexpireat(idemKey, Number(createdAt) + idempotencyMs);
          if (owner) await redis.zrem(keys.owner(p, owner), id);
          await redis.unlink(keys.task(p, id), keys.log(p, id), keys.input(p, id));
          await redis.zrem(keys.archived(p), id);
        }),
      );
      return ids.length;
    },
  };
}
