/** Reads what an ended task was asked, to make another of it: from Redis, or from the store. */
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';

/** The input as JSON text, and the deadline of an attempt; null when the input was not kept. */
export async function readRequest(
  { tasks, clock, store }: { tasks: Tasks; clock: Clock; store: Store },
  task: { id: string; owner: string; archived: boolean },
): Promise<{ input: string; timeoutMs: number } | null> {
  const inRedis = task.archived ? null : await clock.guard(() => tasks.readRequest(task.id), { task: task.id });
  if (inRedis) return inRedis;
  const archived = await fromStore(store.tasks.readRequest(task.owner, task.id));
  return archived && archived.input !== null ? { input: archived.input, timeoutMs: archived.timeoutMs } : null;
}
