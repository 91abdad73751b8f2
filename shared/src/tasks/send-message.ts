/** Sends a message to a task that has not ended. Its handler takes it when it comes to its next turn. */
import type { InboxMessage } from '../context.ts';
import { TaskError } from '../errors.ts';
import type { Catalog } from '../job-type.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { canonicalJson, makeTimeId, partitionOf, sha256 } from '../task-id.ts';

/** `idempotencyKey`: the same key and message are one message to this task. */
export type TaskMessage = Pick<InboxMessage, 'mode' | 'content'> & { idempotencyKey: string | undefined };

/**
 * Gives the id of the message, and whether an earlier request has sent it. Throws `conflict` when the task takes none (any more),
 * `queue_full` when it was sent too much, `idempotency_conflict`, and `unavailable`: after that it may have arrived all the same,
 * and a repeat with the same key is the same message.
 */
export async function sendMessage(
  deps: { tasks: Tasks; clock: Clock; catalog: Catalog; partitions: number },
  task: { id: string; type: string },
  { mode, content, idempotencyKey }: TaskMessage,
): Promise<{ id: string; replayed: boolean }> {
  const { tasks, clock, catalog } = deps;
  if (!catalog.get(task.type)?.takesMessages) {
    throw new TaskError('conflict', `A task of the type ${task.type} takes no messages.`);
  }
  if (clock.full()) {
    throw new TaskError('unavailable', 'Redis is nearly full. Nothing was accepted.', { retryAfterMs: 5_000 });
  }
  const now = clock.now(partitionOf(task.id, deps.partitions) ?? undefined);
  const id = makeTimeId('msg_', now);
  const reply = await clock.guard(
    () =>
      tasks.message(task.id, {
        nonce: idempotencyKey === undefined ? id : sha256(idempotencyKey),
        id,
        fingerprint: sha256(canonicalJson({ mode, content })),
        mode,
        content: JSON.stringify(content),
        notAfter: now + clock.timeoutMs,
      }),
    { task: task.id },
  );
  switch (reply.verdict) {
    case 'accepted':
      return { id: reply.id, replayed: reply.id !== id };
    case 'closed':
      throw new TaskError('conflict', `The task takes no more messages: it ${reply.why}.`);
    case 'full':
      throw new TaskError('queue_full', `The task takes no more messages: it was sent too many (${reply.what}).`);
    case 'differs':
      throw new TaskError(
        'idempotency_conflict',
        'This Idempotency-Key was used for a message to this task that differs from this one.',
      );
    case 'unknown':
      // Only the store has it.
      throw new TaskError('conflict', 'The task takes no more messages: it has ended.');
    case 'late':
      throw new TaskError('unavailable', 'Redis answered too late. Nothing was accepted.', { retryAfterMs: 1_000 });
  }
}
