/** Reads of an owner's tasks, many at once. */
import type { RedisConnection } from '../../redis/connect.ts';
import type { Keys } from '../../redis/keys.ts';
import type { TaskRecord } from '../../task.ts';
import { partitionOf } from '../../task-id.ts';
import type { Run } from '../scripts.ts';
import { createRecordReads } from './read-record.ts';
import { FILTER_FIELDS, type Filtered, LIST_FIELDS, toFiltered } from './stored-task.ts';

export function createListReads(redis: RedisConnection, run: Run, keys: Keys, partitions: number) {
  const record = createRecordReads(redis, keys, partitions);

  /** What filters look at of tasks of one partition, by id. */
  async function filtered(p: number, ids: string[]): Promise<[string, Filtered | null][]> {
    const records = ids.map((id) => keys.task(p, id));
    const found = await run<(string | null)[][]>('fields', records, [...FILTER_FIELDS]);
    return ids.map((id, index) => [id, toFiltered(id, found[index] ?? [])]);
  }

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
    async listFiltered(ids: string[]): Promise<Filtered[]> {
      const byPartition = Map.groupBy(ids, (id) => partitionOf(id, partitions) ?? -1);
      const found = new Map(
        (await Promise.all([...byPartition].map(([p, some]) => (p < 0 ? [] : filtered(p, some))))).flat(),
      );
      return ids.map((id) => found.get(id) ?? null).filter((task) => task !== null);
    },

    /** Tasks without their outputs; those that are gone, and another owner's, are left out. */
    async listed(owner: string, ids: string[]): Promise<TaskRecord[]> {
      const records = await Promise.all(ids.map((id) => record(id, LIST_FIELDS)));
      return records.filter((found) => found !== null && found.owner === owner) as TaskRecord[];
    },
  };
}
