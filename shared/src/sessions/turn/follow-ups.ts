/** Submits the tasks that a session is due for. Nobody waits for them: what fails is tried again by the session's next turn. */
import type { Catalog } from '../../job-type.ts';
import { OPEN_OWNER } from '../../owner.ts';
import { type SubmitDeps, submitTask } from '../../tasks/submit-task.ts';
import type { FollowUp } from './keep-change.ts';

/** Seconds of head start of a task with `priority: low`. */
const LOW = -600;

export async function submitFollowUps(deps: SubmitDeps & { catalog: Catalog }, followUps: FollowUp[]): Promise<void> {
  const { catalog, log } = deps;
  for (const { owner, type: name, input, idempotencyKey } of followUps) {
    const type = catalog.get(name);
    if (!type) continue;
    const options = { priority: LOW, metadata: {}, timeoutMs: type.timeoutMs, maxAttempts: type.attempts };
    try {
      const { id, replayed } = await submitTask(deps, {
        owner,
        spread: owner !== OPEN_OWNER,
        type,
        input: JSON.stringify(input),
        value: input,
        inputPath: [],
        options: { ...options, runAt: 0, delayMs: 0, startBy: undefined },
        given: {},
        idempotencyKey,
        requestId: `relay:${name}`,
        traceparent: undefined,
      });
      if (!replayed) log.debug({ task_id: id, session_id: input.session_id }, `a session is due for ${name}`);
    } catch (error) {
      log.warn({ error, session_id: input.session_id }, `${name} could not be submitted`);
    }
  }
}
