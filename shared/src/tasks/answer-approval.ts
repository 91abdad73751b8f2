/** Answers an approval: the right one, once, in time. The task is queued again and its job made to wait no longer. */

import { randomUUID } from 'node:crypto';
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';

export type ApprovalReply = { approvalId: string; action: string; by: string; data?: unknown };

/** Throws `conflict` when the approval was answered, replaced or has expired. */
export async function answerApproval(
  deps: { tasks: Tasks; queue: TaskQueue; clock: Clock; log: Log },
  task: { id: string; type: string },
  reply: ApprovalReply,
): Promise<void> {
  const { tasks, queue, clock, log } = deps;
  const { approvalId, action, by, data } = reply;
  const resumed = { approval_id: approvalId, action, by };
  const verdict = await clock.guard(
    () => tasks.answer(task.id, { approvalId, nonce: randomUUID(), answer: { ...resumed, data }, resumed }),
    { task: task.id },
  );
  if (verdict !== 'answered') {
    throw new TaskError(
      'conflict',
      'This approval does not wait for an answer: it was answered, replaced or has expired.',
    );
  }
  const promoted = clock.guard(() => queue.promote(task.type, task.id), queue.needs(task.type));
  await promoted.catch((error: unknown) => {
    log.warn({ error, task_id: task.id }, 'the job was not promoted; the sweep will do it');
  });
}
