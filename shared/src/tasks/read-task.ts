/**
 * Reads a task of an owner wherever it is: in Redis, and after its retention there in the store. In this order, because a
 * task is in the store before it leaves Redis: whoever finds it in neither has found that it does not exist.
 */

import { TaskError } from '../errors.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import type { TaskRecord } from '../task.ts';
import { partitionOf } from '../task-id.ts';

/** `archived`: only the store has it. */
export type FoundTask = TaskRecord & { archived: boolean };

/**
 * Throws `not_found`, the same for an unknown task and a foreign one; `gone` when it is past the retention of the store;
 * `unavailable` when it may be where nobody can look now. `listed` leaves out the output.
 */
export async function readTask(
  { tasks, clock, store, partitions }: { tasks: Tasks; clock: Clock; store: Store; partitions: number },
  owner: string,
  id: string,
  place: 'whole' | 'listed' = 'whole',
): Promise<FoundTask> {
  const inRedis = await clock.guard(() => tasks.read(owner, id, place), { task: id });
  if (inRedis) return { ...inRedis, archived: false };
  // What is no task id was never a task.
  const archived = partitionOf(id, partitions) === null ? null : await fromStore(store.tasks.read(owner, id, place));
  if (archived === 'purged') throw new TaskError('gone', 'The task is past its retention.');
  if (!archived) throw new TaskError('not_found', 'There is no such task.');
  return { ...archived, archived: true };
}
