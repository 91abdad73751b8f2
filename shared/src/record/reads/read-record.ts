/** Reads some fields of a task's record; null when there is none. */
import type { RedisConnection } from '../../redis/connect.ts';
import type { Keys } from '../../redis/keys.ts';
import type { TaskRecord } from '../../task.ts';
import { partitionOf } from '../../task-id.ts';
import { toRecord } from './stored-task.ts';

export function createRecordReads(redis: RedisConnection, keys: Keys, partitions: number) {
  return async (id: string, names: readonly string[]): Promise<TaskRecord | null> => {
    const p = partitionOf(id, partitions);
    return p === null ? null : toRecord(id, names, await redis.hmget(keys.task(p, id), ...names));
  };
}
