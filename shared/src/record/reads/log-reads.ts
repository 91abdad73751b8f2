/** Reads of the logs of tasks. */
import { encodeFrame, type Frame, type LogEntry } from '../../event.ts';
import type { RedisConnection } from '../../redis/connect.ts';
import type { Keys } from '../../redis/keys.ts';
import { partitionOf } from '../../task-id.ts';
import { doneData } from '../../task-view.ts';
import { createRecordReads } from './read-record.ts';
import { FIELDS, toLogEntry } from './stored-task.ts';

export function createLogReads(redis: RedisConnection, keys: Keys, partitions: number) {
  const partition = (id: string) => partitionOf(id, partitions);
  const record = createRecordReads(redis, keys, partitions);

  /** The `done` entry holds the status only; output, error and usage are stored once, in the record. */
  async function fill(id: string, entry: LogEntry): Promise<LogEntry | null> {
    if (entry.type !== 'done') return entry;
    const ended = await record(id, FIELDS);
    // It was removed meanwhile, and the store has the end as well.
    return ended && { ...entry, data: doneData(ended) };
  }

  return {
    /** Events after a cursor, oldest first; at most `count`. */
    async readLog(id: string, after: string, count: number): Promise<Frame[]> {
      const p = partition(id);
      if (p === null) return [];
      const rows = await redis.xrange(keys.log(p, id), `(${after}`, '+', 'COUNT', count);
      const entries = rows.map(toLogEntry);
      const filled = await Promise.all(entries.map((entry) => fill(id, entry)));
      return filled.filter((entry) => entry !== null).map((entry) => encodeFrame(id, entry));
    },

    /** The last event id of each task (null: gone), in one batch. */
    lastIds(ids: string[]): Promise<(string | null)[]> {
      return Promise.all(
        ids.map((id) => {
          const p = partition(id);
          return p === null ? null : redis.hget(keys.task(p, id), 'last_id');
        }),
      );
    },
  };
}
