/** Answers an approval: the right one, once, in time. The task is queued again and its job made to wait no longer. */

import { randomUUID } from 'node:crypto';
import type { ApprovalAnswer } from '../context.ts';
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';

/** `asked` is the tool that was asked for; the rest is the answer. */
export type ApprovalReply = {
  approvalId: string;
  asked: string;
  action: string;
  by: string;
  more?: Omit<ApprovalAnswer, 'approval_id' | 'action' | 'by'>;
};

/** An answer as the record keeps it. */
export const answerEntry = ({ approvalId, asked, action, by, more }: ApprovalReply) => ({
  approval_id: approvalId,
  action,
  by,
  asked,
  ...more,
});

/** Of an approval that was answered, replaced, or has expired. */
export const noApproval = () =>
  new TaskError('conflict', 'This approval does not wait for an answer: it was answered, replaced or has expired.');

/** Throws `conflict` when the approval was answered, replaced or has expired. */
export async function answerApproval(
  deps: { tasks: Tasks; queue: TaskQueue; clock: Clock; log: Log },
  task: { id: string; type: string },
  reply: ApprovalReply,
): Promise<void> {
  const { tasks, queue, clock, log } = deps;
  const { approvalId, action, by } = reply;
  const resumed = { approval_id: approvalId, action, by };
  const verdict = await clock.guard(
    () => tasks.answer(task.id, { approvalId, nonce: randomUUID(), answer: answerEntry(reply), resumed }),
    { task: task.id },
  );
  if (verdict !== 'answered') {
    throw noApproval();
  }
  const promoted = clock.guard(() => queue.promote(task.type, task.id), queue.needs(task.type));
  await promoted.catch((error: unknown) => {
    log.warn({ error, task_id: task.id }, 'the job was not promoted; the sweep will do it');
  });
}
