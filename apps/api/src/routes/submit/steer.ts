/** A submit that steers: what it says goes to the task of its session that is under way, and no task is made. */
import { TaskError } from '@beanline/shared/errors.ts';
import { runningTask } from '@beanline/shared/lines/running-task.ts';
import { sha256 } from '@beanline/shared/task-id.ts';
import { statusAt, taskUrls } from '@beanline/shared/task-view.ts';
import { readTask } from '@beanline/shared/tasks/read-task.ts';
import { sendMessage } from '@beanline/shared/tasks/send-message.ts';
import type { SubmitRequest } from '@beanline/shared/tasks/submit-task.ts';
import { invalid } from '../../http/bad-fields.ts';
import type { Api } from '../../http/context.ts';
import type { Attached } from './attached.ts';

/**
 * The task that the request steers; undefined when it shall have one of its own. Under an Idempotency-Key all repeats steer the same
 * one, or none.
 */
async function targetOf({ deps }: Api, { owner, idempotencyKey }: SubmitRequest, session: string) {
  if (idempotencyKey === undefined) return (await runningTask(deps, owner, session))?.id;
  const { clock, claims, tasks } = deps;
  const key = sha256(`${owner}\n${idempotencyKey}`);
  if (await clock.guard(() => tasks.hasIdempotencyKey(key))) return undefined;
  const running = (await runningTask(deps, owner, session))?.id ?? '';
  const hash = sha256(`${owner}\nsteer\n${session}\n${idempotencyKey}`);
  const stood = await clock.guard(() => claims.claim(hash, running), claims.needs(hash));
  return (stood ?? running) || undefined;
}

/** What the request is answered with when it has steered a task; undefined when it is a task of its own. */
export async function steer(api: Api, request: SubmitRequest): Promise<Attached | undefined> {
  const { deps, config } = api;
  const { owner, type, value, inputPath, options, partOptions, idempotencyKey, retryOf } = request;
  if (retryOf || options.delayMs > 0 || options.runAt > 0) return undefined;
  const session = type.sessionOf?.(value);
  const content = type.messageOf?.(value);
  if ((partOptions?.onBusy ?? type.onBusy) !== 'steer' || session === undefined || content === undefined)
    return undefined;
  const id = await targetOf(api, request, session);
  if (id === undefined) return undefined;
  if (Buffer.byteLength(JSON.stringify(content)) > config.MAX_MESSAGE_BYTES) {
    const message = `what is said to the task under way must have at most ${config.MAX_MESSAGE_BYTES} bytes as JSON`;
    throw invalid({ path: inputPath.join('.'), message });
  }
  try {
    const task = await readTask(deps, owner, id, 'listed');
    const sent = await sendMessage(deps, task, { mode: 'steer', content, idempotencyKey });
    return {
      id,
      from: task,
      after: task.lastId,
      task,
      headers: sent.replayed ? { 'Idempotency-Replayed': 'true' } : {},
      accepted: (now) => ({
        task_id: id,
        type: task.type,
        status: statusAt(now ?? task, deps.clock.now()),
        created_at: new Date(task.createdAt).toISOString(),
        message_id: sent.id,
        urls: taskUrls(id),
      }),
    };
  } catch (error) {
    // It has ended in the meantime: whatever was to be said is a task of its own.
    if (error instanceof TaskError && (error.code === 'conflict' || error.code === 'gone')) return undefined;
    throw error;
  }
}
