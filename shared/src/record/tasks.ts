/** The record of tasks: its scripts and its reads. Each script may be sent twice; a repeat gets its first answer. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { createAttemptScripts } from './attempt-scripts.ts';
import { createInboxScripts } from './inbox-scripts.ts';
import { createListReads } from './reads/list-reads.ts';
import { createLogReads } from './reads/log-reads.ts';
import { createTaskReads } from './reads/task-reads.ts';
import { createRecordScripts } from './scripts.ts';
import { createStepScripts } from './step-scripts.ts';
import { createTaskKeys } from './task-keys.ts';
import { createTaskScripts } from './task-scripts.ts';
import type { Limits } from './task-verdicts.ts';

export function createTasks(redis: RedisConnection, keys: Keys, partitions: number, limits: Limits) {
  const run = createRecordScripts(redis, limits.patienceMs);
  const taskKeys = createTaskKeys(keys, partitions);
  return {
    ...createTaskScripts(redis, run, { keys, taskKeys, partitions, limits }),
    ...createAttemptScripts(run, taskKeys, limits),
    ...createStepScripts(redis, run, { taskKeys, limits }),
    ...createInboxScripts(redis, run, { taskKeys, limits }),
    ...createTaskReads(redis, keys, partitions),
    ...createLogReads(redis, keys, partitions),
    ...createListReads(redis, run, keys, partitions),
  };
}

export type Tasks = ReturnType<typeof createTasks>;
