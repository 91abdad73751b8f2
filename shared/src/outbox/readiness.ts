/** What `/readyz` tells of Redis beyond its being there: in two batches, whatever the number of tasks, readers and owners. */

import type { Presence } from '../queue/presence.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { lowestCursor } from './outbox.ts';

export type Readiness = {
  /** False when Redis answers but takes no writes: a replica, a full disk, too few replicas. */
  writable: boolean;
  /** Of the answer cache, by all runners, as long as this Redis has its data. */
  answers: { hits: number; misses: number };
  /** Partitions that no relay holds: nothing of them is repaired or removed. */
  untended: number;
  /** Entries of the outbox that the slowest sink has not read, at most, and the age of the oldest in ms. */
  outbox: { backlog: number; lagMs: number };
  /** Waiting tasks and their input bytes, as the limits count them, and the runners that take them. */
  queues: { type: string; waiting: number; waitingBytes: number; runners: number }[];
};

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

export function createReadiness(
  redis: RedisConnection,
  keys: Keys,
  partitions: number,
  presence: Pick<Presence, 'counts'>,
) {
  /** Removing what is not there writes nothing, and is refused where writes are. */
  async function takesWrites(p: number): Promise<boolean> {
    try {
      await redis.del(keys.nothing(p));
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') return false;
      throw error;
    }
  }

  async function oldestUnread(p: number): Promise<number | null> {
    const cursor = lowestCursor(Object.values(await redis.hgetall(keys.cursors(p)))) ?? '0-0';
    const [entry] = await redis.xrange(keys.outbox(p), `(${cursor}`, '+', 'COUNT', 1);
    return entry ? Number.parseInt(entry[0], 10) : null;
  }

  /** `now` in ms, Redis TIME. */
  async function read(types: string[], now: number): Promise<Readiness> {
    const names = types.flatMap((type) => [`${type}:tasks`, `${type}:bytes`]);
    const [runners, [hits, misses], parts] = await Promise.all([
      presence.counts(now),
      redis.hmget(keys.answerCounts, 'hits', 'misses'),
      Promise.all(
        Array.from({ length: partitions }, async (_, p) => {
          const [writable, held, backlog, oldest, counts] = await Promise.all([
            takesWrites(p),
            redis.exists(keys.lease(p)),
            redis.xlen(keys.outbox(p)),
            oldestUnread(p),
            redis.hmget(keys.counts(p), ...names),
          ]);
          return { writable, held: held === 1, backlog, oldest, counts: counts.map(Number) };
        }),
      ),
    ]);
    const oldest = Math.min(...parts.map((part) => part.oldest ?? now));
    const total = (index: number) => sum(parts.map(({ counts }) => counts[index] ?? 0));
    return {
      writable: parts.every((part) => part.writable),
      answers: { hits: Number(hits), misses: Number(misses) },
      untended: parts.filter(({ held }) => !held).length,
      outbox: { backlog: sum(parts.map(({ backlog }) => backlog)), lagMs: Math.max(0, now - oldest) },
      queues: types.map((type, index) => ({
        type,
        waiting: total(2 * index),
        waitingBytes: total(2 * index + 1),
        runners: runners.get(type) ?? 0,
      })),
    };
  }

  return {
    read,
    /** One round trip: whether the master of a partition takes writes. */
    takesWrites,
  };
}
