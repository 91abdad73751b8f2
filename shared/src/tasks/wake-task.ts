/** Wakes a task that a part holds back for a reason: it is asked again now, and not at the time that the part named. */
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';

export async function wakeTask(
  { tasks, queue }: { tasks: Pick<Tasks, 'wake'>; queue: Pick<TaskQueue, 'promote'> },
  id: string,
  reason: string,
): Promise<void> {
  const type = await tasks.wake(id, reason);
  if (type !== null) await queue.promote(type, id);
}
