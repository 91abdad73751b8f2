/** Reads of an owner's tasks, many at once. */
import type { RedisConnection } from '../../redis/connect.ts';
import type { Keys } from '../../redis/keys.ts';
import type { TaskRecord } from '../../task.ts';
import { createRecordReads } from './read-record.ts';
import { FILTER_FIELDS, LIST_FIELDS } from './stored-task.ts';

export function createListReads(redis: RedisConnection, keys: Keys, partitions: number) {
  const record = createRecordReads(redis, keys, partitions);
  return {
    /** Ids of an owner's tasks, newest first, also of those whose record is gone; those below `before`. */
    async listIds(owner: string, limit: number, before: string | null): Promise<string[]> {
      const max = before === null ? '+' : `(${before}`;
      const perPartition = await Promise.all(
        Array.from({ length: partitions }, (_, p) =>
          redis.zrange(keys.owner(p, owner), max, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit),
        ),
      );
      return perPartition.flat().sort().reverse().slice(0, limit);
    },

    /** What filters of lists look at; those whose record is gone are left out. */
    async listFiltered(ids: string[]): Promise<TaskRecord[]> {
      const records = await Promise.all(ids.map((id) => record(id, FILTER_FIELDS)));
      return records.filter((found) => found !== null);
    },

    /** Tasks without their outputs; those that are gone, and another owner's, are left out. */
    async listed(owner: string, ids: string[]): Promise<TaskRecord[]> {
      const records = await Promise.all(ids.map((id) => record(id, LIST_FIELDS)));
      return records.filter((found) => found !== null && found.owner === owner) as TaskRecord[];
    },
  };
}
