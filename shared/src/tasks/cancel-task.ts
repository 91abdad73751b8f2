/**
 * Cancels a task in any state: ends it when no attempt runs, else marks it and tells its runner. Where the cancel is the answer
 * to an approval, only while that waits; else the verdict is `conflict`.
 */

import { randomUUID } from 'node:crypto';
import type { Live } from '../live/live.ts';
import type { Log } from '../log.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { CancelOptions, CancelVerdict } from '../record/task-verdicts.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';

export async function cancelTask(
  deps: { tasks: Tasks; live: Live; queue: TaskQueue; clock: Clock; log: Log },
  task: { id: string; type: string; owner: string },
  answer?: CancelOptions['answer'],
): Promise<CancelVerdict> {
  const { tasks, live, queue, clock, log } = deps;
  const verdict = await clock.guard(() => tasks.cancel(task.id, task.owner, { nonce: randomUUID(), answer }), {
    task: task.id,
  });
  // Both only save time: the runner learns of the mark with its next append, and a job of an ended task ends at once.
  const nudge =
    verdict.verdict === 'requested'
      ? live.hint(task.id)
      : verdict.verdict === 'cancelled'
        ? queue.remove(task.type, task.id)
        : Promise.resolve();
  nudge.catch((error: unknown) => log.debug({ error, task_id: task.id }, 'the nudge after a cancel failed'));
  return verdict;
}
