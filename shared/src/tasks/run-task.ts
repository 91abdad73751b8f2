/**
 * Runs a task that a runner has taken: held back → begin → attempt. The record decides whether there is an attempt; a part
 * may hold the task back before that is asked, which spends nothing.
 */
import { randomUUID } from 'node:crypto';
import type { Catalog, JobType } from '../job-type.ts';
import type { Wait } from '../part.ts';
import type { After } from '../queue/consumer.ts';
import type { Clock } from '../redis/clock.ts';
import { type AttemptDeps, runAttempt } from './attempt/run-attempt.ts';
import { HAND_BACK_MS } from './attempt/settle.ts';

export type RunDeps = AttemptDeps & { clock: Clock; catalog: Catalog; worker: string };

const LOST = { code: 'worker_lost', message: 'The worker that ran this task was lost.' } as const;
/** A runner that does not know a job type leaves it to others for this long. */
const UNKNOWN_TYPE_MS = 5_000;

export async function runTask(
  deps: RunDeps,
  job: { taskId: string; type: string; signal: AbortSignal; fence?: string },
): Promise<After> {
  const { tasks, clock, worker } = deps;
  const type = deps.catalog.get(job.type);
  if (!type) return { until: clock.now() + UNKNOWN_TYPE_MS };
  const fence = job.fence ?? randomUUID();
  const held = await holdBack(deps, job.taskId, type, fence);
  if (held) return held;

  const begun = await tasks.begin(job.taskId, {
    fence,
    worker,
    typeVersion: type.version,
    mayRestart: type.mayRestart,
    lost: LOST,
  });
  if (begun.verdict === 'ended') return {};
  if (begun.verdict === 'newer') return { until: begun.until };
  // Without a floor a job that BullMQ promoted too early would be taken thousands of times.
  if (begun.verdict === 'later') {
    return { until: Math.max(begun.until, clock.now() + HAND_BACK_MS), dueAt: begun.until };
  }
  return runAttempt(deps, type, { id: job.taskId, attempt: begun.attempt, fence }, begun, job.signal);
}

/** The longest wait that a part asks for; undefined when the attempt may begin. */
async function holdBack(
  { tasks, parts, clock }: RunDeps,
  id: string,
  type: JobType,
  nonce: string,
): Promise<After | undefined> {
  let wait: Wait | null = null;
  for (const part of parts) {
    const asked = (await part.hold?.({ id, type })) ?? null;
    if (asked && (!wait || asked.until > wait.until)) wait = asked;
  }
  if (!wait) return undefined;
  const until = Math.max(wait.until, clock.now() + HAND_BACK_MS);
  if (wait.reason === undefined) return { until };
  const adjusted = await tasks.adjust(id, { nonce, dueAt: until, reason: wait.reason });
  if (adjusted.verdict === 'adjusted') return { until: adjusted.dueAt, dueAt: adjusted.dueAt };
  // It has ended, or is not queued (its attempt was lost, its approval expired): begin judges that.
  return adjusted.verdict === 'ended' ? {} : undefined;
}
