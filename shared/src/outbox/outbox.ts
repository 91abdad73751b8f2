/** The outbox: one entry per transition, written in the same script as the transition, and how far each sink has come. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

/** One transition, as the outbox tells it. */
export type OutboxEntry = { entryId: string; task: string; to: string; at: number };

/** A sink (ARGV 1) begins with the outbox, or stays where it is. A full Redis takes it: what the sink has may leave. */
const REGISTER = `#!lua flags=allow-oom
redis.call('HSETNX', KEYS[1], ARGV[1], '0-0')`;

/** A sink (ARGV 1) has come to an entry (ARGV 2). A full Redis takes it: the outbox shrinks. */
const CONFIRM = `#!lua flags=allow-oom
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HVALS', KEYS[1])`;

/** The position of the slowest sink. */
export function lowestCursor(cursors: string[]): string | undefined {
  return cursors.sort((a, b) => {
    const [msA = '0', seqA = '0'] = a.split('-');
    const [msB = '0', seqB = '0'] = b.split('-');
    return Number(msA) - Number(msB) || Number(seqA) - Number(seqB);
  })[0];
}

export function createOutbox(redis: RedisConnection, keys: Keys) {
  return {
    /** From now on nothing leaves the outbox that this sink has not confirmed. */
    async registerSink(p: number, sink: string): Promise<void> {
      await redis.eval(REGISTER, 1, keys.cursors(p), sink);
    },

    /** The entry that the outbox ends with, which is another one whenever something came; null when it is empty. */
    async newest(p: number): Promise<string | null> {
      const [newest] = await redis.xrevrange(keys.outbox(p), '+', '-', 'COUNT', 1);
      return newest?.[0] ?? null;
    },

    /** The next transitions a sink has not confirmed. */
    async read(p: number, sink: string, limit: number): Promise<OutboxEntry[]> {
      const cursor = (await redis.hget(keys.cursors(p), sink)) ?? '0-0';
      const rows = await redis.xrange(keys.outbox(p), `(${cursor}`, '+', 'COUNT', limit);
      return rows.map(([entryId, fields]) => {
        const value = (name: string) => fields[fields.findIndex((text, at) => at % 2 === 0 && text === name) + 1] ?? '';
        return { entryId, task: value('task'), to: value('to'), at: Number(value('at')) };
      });
    },

    /** Confirms all up to an entry for a sink, and trims what every sink has confirmed. */
    async confirm(p: number, sink: string, entryId: string): Promise<void> {
      const cursors = await redis.eval(CONFIRM, 1, keys.cursors(p), sink, entryId);
      const lowest = lowestCursor(cursors as string[]);
      // MINID keeps the entry itself, which costs nothing and keeps the rule simple.
      if (lowest) await redis.xtrim(keys.outbox(p), 'MINID', lowest);
    },
  };
}

export type Outbox = ReturnType<typeof createOutbox>;
