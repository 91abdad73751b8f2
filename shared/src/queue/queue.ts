/**
 * The queue: BullMQ, which decides who runs what and when, and nothing else. Jobs carry an id, and whether the
 * task has marks; BullMQ's attempts,
 * stall counts and results never count. One queue per job type, tagged for the Cluster by its name.
 */
import { type JobsOptions, Queue } from 'bullmq';
import type { RedisConnection } from '../redis/connect.ts';
import { type Consumer, type ConsumerOptions, createConsumer, type JobData } from './consumer.ts';
import { NEVER, queueName } from './names.ts';

/** `isUnmarked`: no part has marked the task, so that a runner need not ask. */
export type QueueEntry = { id: string; type: string; rank: number; delayMs: number; isUnmarked?: boolean };

const dataOf = ({ isUnmarked }: QueueEntry): JobData => (isUnmarked ? { isUnmarked } : {});

const jobOptions = ({ id, rank, delayMs }: QueueEntry): JobsOptions => ({
  jobId: id,
  priority: rank,
  delay: Math.max(0, Math.ceil(delayMs)),
  attempts: NEVER,
  backoff: { type: 'fixed', delay: 1_000 },
  removeOnComplete: true,
  removeOnFail: true,
});

/** A single job without the pipeline of addBulk, which takes up every script of BullMQ: a tenth of a millisecond at rest. */
function addJobs(queue: Queue, entries: QueueEntry[]): Promise<unknown> {
  const [first, ...others] = entries;
  if (first && others.length === 0) return queue.add('task', dataOf(first), jobOptions(first));
  return queue.addBulk(entries.map((entry) => ({ name: 'task', data: dataOf(entry), opts: jobOptions(entry) })));
}

type Batch = { entries: QueueEntry[]; done: PromiseWithResolvers<void> };
/** A queue, and what waits for the add that is under way. */
type Line = { queue: Queue; next: Batch | undefined; flying: boolean };

export function createQueue(connection: RedisConnection, prefix: string) {
  const lines = new Map<string, Line>();

  function lineOf(type: string): Line {
    let line = lines.get(type);
    if (!line) {
      const queue = new Queue(queueName(type), { connection, prefix, streams: { events: { maxLen: 100 } } });
      queue.on('error', () => undefined); // The probe tells of an outage; callers get their own rejection.
      line = { queue, next: undefined, flying: false };
      lines.set(type, line);
    }
    return line;
  }
  const queueOf = (type: string) => lineOf(type).queue;

  // The first add goes out at once, and what comes while it is under way goes out as one addBulk.
  async function fly(line: Line) {
    line.flying = true;
    await undefined;
    for (let batch = line.next; batch; batch = line.next) {
      line.next = undefined;
      const { entries, done } = batch;
      await addJobs(line.queue, entries).then(() => done.resolve(), done.reject);
    }
    line.flying = false;
  }

  /** Makes a delayed job wait for a runner now. One that is not delayed is left alone. */
  async function promote(type: string, id: string): Promise<void> {
    const queue = queueOf(type);
    if ((await connection.zscore(queue.toKey('delayed'), id)) === null) return;
    const job = await queue.getJob(id);
    await job?.promote().catch((error: unknown) => {
      // A runner was faster: the job is no longer delayed, or no longer there.
      if (!(error instanceof Error) || !/not in the delayed state|missing key/i.test(error.message)) throw error;
    });
  }

  return {
    promote,

    /** Takes jobs of a type and runs their tasks, until it is paused and closed. */
    consume: (options: Omit<ConsumerOptions, 'connection' | 'prefix' | 'promote'>): Consumer =>
      createConsumer({ ...options, connection, prefix, promote }),

    /** What of Redis the queue of a job type needs. */
    needs: (type: string) => ({ key: `${prefix}:${queueName(type)}:meta` }),

    /** Adds jobs; one whose id is there already stays as it is. */
    async add(entries: QueueEntry[]): Promise<void> {
      const waits = entries.map((entry) => {
        const line = lineOf(entry.type);
        line.next ??= { entries: [], done: Promise.withResolvers<void>() };
        line.next.entries.push(entry);
        const added = line.next.done.promise;
        if (!line.flying) void fly(line);
        return added;
      });
      await Promise.all(waits);
    },

    /** Those that have no job. To look costs one read each, also when Redis is full; to add what is there, six commands. */
    async missing<Entry extends Pick<QueueEntry, 'id' | 'type'>>(entries: Entry[]): Promise<Entry[]> {
      const found = await Promise.all(entries.map(({ id, type }) => connection.exists(queueOf(type).toKey(id))));
      return entries.filter((_, index) => found[index] === 0);
    },

    /** Removes a job that no runner works on; an active one is left to its runner. */
    async remove(type: string, id: string): Promise<void> {
      await queueOf(type)
        .remove(id)
        .catch(() => undefined);
    },

    /** Tasks of a type that may run at once over all runners; 0 lifts the limit. */
    async setGlobalConcurrency(type: string, limit: number): Promise<void> {
      if (limit === 0) await queueOf(type).removeGlobalConcurrency();
      else await queueOf(type).setGlobalConcurrency(limit);
    },

    async close(): Promise<void> {
      await Promise.allSettled([...lines.values()].map(({ queue }) => queue.close()));
    },
  };
}

export type TaskQueue = ReturnType<typeof createQueue>;
