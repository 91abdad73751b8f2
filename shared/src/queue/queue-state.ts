/**
 * What holds a queue's jobs back, read from BullMQ's own keys: over a connection that no consumer uses, so that it can tell
 * of a consumer that hangs. BullMQ's getters go through the queue's connection, and ask one key at a time.
 */
import type { RedisConnection } from '../redis/connect.ts';
import { queueName } from './names.ts';

export type QueueState = {
  /** Jobs that a runner could take now. Delayed ones are not among them. */
  waiting: number;
  active: number;
  /** Why nobody may take them: the queue is paused, rate limited, or at its global concurrency. */
  held: 'paused' | 'limited' | 'full' | null;
};

/** Reads the state of a queue in one batch. */
export function createQueueState(redis: RedisConnection, prefix: string) {
  return async function read(type: string): Promise<QueueState> {
    const key = (name: string) => `${prefix}:${queueName(type)}:${name}`;
    const [listed, ranked, active, meta, used, limitedMs] = await Promise.all([
      redis.llen(key('wait')),
      redis.zcard(key('prioritized')),
      redis.llen(key('active')),
      redis.hmget(key('meta'), 'paused', 'concurrency', 'max'),
      redis.get(key('limiter')),
      redis.pttl(key('limiter')),
    ]);
    const [paused, concurrency, max] = meta;
    const limited = limitedMs > 0 && max !== null && max !== undefined && Number(used) >= Number(max);
    const full = concurrency !== null && concurrency !== undefined && active >= Number(concurrency);
    return { waiting: listed + ranked, active, held: paused ? 'paused' : limited ? 'limited' : full ? 'full' : null };
  };
}

export type QueueStates = ReturnType<typeof createQueueState>;
