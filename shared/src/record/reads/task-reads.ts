/** Reads of task records. Every read for a client takes the owner, and a foreign task reads as none. */
import type { RedisConnection } from '../../redis/connect.ts';
import type { Keys } from '../../redis/keys.ts';
import { type Answered, isEnd, type Marks, type TaskRecord } from '../../task.ts';
import { archivedKeyOf, partitionOf, partitionOfKey } from '../../task-id.ts';
import { createRecordReads } from './read-record.ts';
import { answersOf, FIELDS, LIST_FIELDS } from './stored-task.ts';

export function createTaskReads(redis: RedisConnection, keys: Keys, partitions: number) {
  const partition = (id: string) => partitionOf(id, partitions);
  const record = createRecordReads(redis, keys, partitions);

  return {
    /** The task of this owner, or null; `listed` leaves out the output, which may be megabytes. */
    async read(owner: string, id: string, place: 'whole' | 'listed' = 'whole'): Promise<TaskRecord | null> {
      const found = await record(id, place === 'whole' ? FIELDS : LIST_FIELDS);
      return found?.owner === owner ? found : null;
    },

    /** What parts have marked a task with; nothing of one that is gone. */
    async marks(id: string): Promise<Marks> {
      const p = partition(id);
      return p === null ? {} : JSON.parse((await redis.hget(keys.task(p, id), 'marks')) || '{}');
    },

    /** Whose a task is, or null. */
    async ownerOf(id: string): Promise<string | null> {
      const p = partition(id);
      return p === null ? null : redis.hget(keys.task(p, id), 'owner');
    },

    /** Input (JSON text) and options of a task, to make another of it. */
    async readRequest(id: string): Promise<{ input: string; timeoutMs: number } | null> {
      const p = partition(id);
      if (p === null) return null;
      const [input, timeout] = await Promise.all([
        redis.get(keys.input(p, id)),
        redis.hget(keys.task(p, id), 'timeout_ms'),
      ]);
      // Both, or it was removed meanwhile.
      return input === null || timeout === null ? null : { input, timeoutMs: Number(timeout) };
    },

    /** The input of a task, as JSON text; null when it is gone. */
    async readInput(id: string): Promise<string | null> {
      const p = partition(id);
      return p === null ? null : redis.get(keys.input(p, id));
    },

    /** Whether an Idempotency-Key (its hash) has made a task, which may have left Redis. */
    async hasIdempotencyKey(hash: string): Promise<boolean> {
      const p = partitionOfKey(hash, partitions);
      const [kept, archived] = await Promise.all([
        redis.exists(keys.idempotency(p, hash)),
        redis.sismember(keys.archivedIdempotency(p, hash), archivedKeyOf(hash)),
      ]);
      return kept + archived > 0;
    },

    /** The answer to an approval (null: there is none yet), and what else was answered in this task. */
    async readAnswers(id: string, approvalId: string): Promise<{ answer: Answered | null; earlier: Answered[] }> {
      const p = partition(id);
      const earlier = p === null ? [] : answersOf(await redis.hget(keys.task(p, id), 'approvals'));
      return { answer: earlier.find((one) => one.approval_id === approvalId) ?? null, earlier };
    },

    /** Which of these attempts still hold their task, and which were asked to stop. */
    states(ids: string[]): Promise<{ status: string | null; fence: string | null; cancelled: boolean }[]> {
      return Promise.all(
        ids.map(async (id) => {
          const p = partition(id);
          if (p === null) return { status: null, fence: null, cancelled: false };
          const [status, fence, mark] = await redis.hmget(keys.task(p, id), 'status', 'fence', 'cancel_requested_at');
          return { status: status ?? null, fence: fence ?? null, cancelled: Boolean(mark) };
        }),
      );
    },

    /** When each of these tasks ended (ms, Redis TIME): null while it has not, undefined when it is gone. */
    ends(ids: string[]): Promise<(number | null | undefined)[]> {
      return Promise.all(
        ids.map(async (id) => {
          const p = partition(id);
          if (p === null) return undefined;
          const [status, endedAt] = await redis.hmget(keys.task(p, id), 'status', 'ended_at');
          if (!status) return undefined;
          return isEnd(status) ? Number(endedAt) : null;
        }),
      );
    },

    /** When a parked task may go on (ms, Redis TIME); null when it is not parked. */
    async dueAt(id: string): Promise<number | null> {
      const p = partition(id);
      if (p === null) return null;
      const [status, due] = await redis.hmget(keys.task(p, id), 'status', 'due_at');
      return status && !isEnd(status) && status !== 'in_progress' ? Number(due) : null;
    },
  };
}
