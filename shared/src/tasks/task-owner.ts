/** Whose a task is, wherever it is: for those who may ask about every owner. */
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import { partitionOf } from '../task-id.ts';

/** Null when there is no such task; a purged one has its owner. Throws `unavailable` as reading the task does. */
export async function taskOwner(
  { tasks, clock, store, partitions }: { tasks: Tasks; clock: Clock; store: Store; partitions: number },
  id: string,
): Promise<string | null> {
  if (partitionOf(id, partitions) === null) return null;
  // In this order, as `readTask` says.
  const owner = await clock.guard(() => tasks.ownerOf(id), { task: id });
  return owner ?? fromStore(store.tasks.ownerOf(id));
}
