/** Waiting requests: long polls and `Prefer: wait`. */
import { compareIds } from '@beanline/shared/event.ts';
import type { TaskRecord } from '@beanline/shared/task.ts';
import { followTask } from '@beanline/shared/tasks/follow-task.ts';
import type { Api, ApiContext } from './context.ts';

/**
 * Resolves when an event that `counts` comes after the cursor, after `ms`, when the client leaves, its key goes or the API
 * drains. It holds as much as a stream does, so it takes a place like one; who has none left does not wait.
 */
export async function waitForEvent(
  { deps, drain, streams }: Api,
  c: ApiContext,
  task: Pick<TaskRecord, 'id' | 'lastId'>,
  after: string,
  ms: number,
  counts: (type: string) => boolean,
): Promise<void> {
  const place = streams.take(c.get('caller'));
  if (!place) return;
  c.get('releaseBody')?.();
  const gone = c.req.raw.signal;
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), ms);
  const over = AbortSignal.any([timer.signal, drain, gone, ...(place.revoked ? [place.revoked] : [])]);
  try {
    for await (const frames of followTask(deps, task, after, over)) {
      if (frames.some(({ type }) => counts(type))) return;
    }
  } catch (error) {
    // Redis went away: the wait is over, and what the caller reads next says so.
    deps.log.debug({ error, task_id: task.id }, 'a wait broke');
  } finally {
    clearTimeout(timeout);
    place.close();
  }
}

/** True when the task has had an event that is not text since the cursor. */
export function hasMoved(task: Pick<TaskRecord, 'lastStateId'>, after: string): boolean {
  return compareIds(task.lastStateId, after) > 0;
}
