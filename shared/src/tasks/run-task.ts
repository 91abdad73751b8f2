/**
 * Runs a task that a runner has taken: held back → begin → attempt. The record decides whether there is an attempt; a part
 * may hold the task back before that is asked, which spends nothing.
 */
import type { Catalog, JobType } from '../job-type.ts';
import type { Part, TakenTask, Wait } from '../part.ts';
import type { After } from '../queue/consumer.ts';
import type { Clock } from '../redis/clock.ts';
import type { Marks } from '../task.ts';
import { type AttemptDeps, runAttempt } from './attempt/run-attempt.ts';
import { HAND_BACK_MS } from './attempt/settle.ts';
import { inTime } from './in-time.ts';

export type RunDeps = AttemptDeps & { clock: Clock; catalog: Catalog; worker: string };

const LOST = { code: 'worker_lost', message: 'The worker that ran this task was lost.' } as const;
/** How long a part may take to say whether a task may run, when one is asked again that could not, and when in any case. */
const HOLD_MS = 5_000;
const BROKEN_HOLD_MS = 5_000;
const MAX_HOLD_MS = 86_400_000;
/** A runner that does not know a job type leaves it to others for this long. */
const UNKNOWN_TYPE_MS = 5_000;

export async function runTask(
  deps: RunDeps,
  /**
   * `begun` is called when an attempt has begun: from then on the record bears the fence. `isUnmarked`: the task is known to have
   * no marks.
   */
  job: { taskId: string; type: string; signal: AbortSignal; fence: string; isUnmarked?: boolean; begun?: () => void },
): Promise<After> {
  const { tasks, clock, worker } = deps;
  const type = deps.catalog.get(job.type);
  if (!type) return { until: clock.now() + UNKNOWN_TYPE_MS };
  const { fence } = job;
  const held = await holdBack(deps, type, job);
  if (held) return held;
  // The runner stops, or has lost the job meanwhile.
  if (job.signal.aborted) return { until: clock.now() + HAND_BACK_MS };

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
  job.begun?.();
  return runAttempt(deps, type, { id: job.taskId, attempt: begun.attempt, fence }, begun, job.signal);
}

/** What a part says. One that fails or does not answer cannot say that the task may run: it is asked again. */
async function askPart({ clock, log }: RunDeps, part: Part, task: TakenTask): Promise<Wait | null> {
  try {
    return (await inTime(HOLD_MS, async () => part.hold?.(task))) ?? null;
  } catch (error) {
    log.warn({ error, part: part.name, task_id: task.id }, 'a part could not say whether a task may run');
    return { until: clock.now() + BROKEN_HOLD_MS };
  }
}

/** The longest wait that a part asks for; undefined when the attempt may begin. */
async function holdBack(
  deps: RunDeps,
  type: JobType,
  { taskId: id, fence, isUnmarked }: { taskId: string; fence: string; isUnmarked?: boolean },
): Promise<After | undefined> {
  const { tasks, parts, clock } = deps;
  let wait: Wait | null = null;
  let read: Promise<Marks> | undefined = isUnmarked ? Promise.resolve({}) : undefined;
  const marks = () => {
    read ??= tasks.marks(id);
    return read;
  };
  for (const part of parts.filter(({ hold }) => hold)) {
    const asked = await askPart(deps, part, { id, type, fence, marks });
    if (!asked) continue;
    const now = clock.now();
    // What is no time is the shortest one.
    const until = Math.ceil(Math.min(Math.max(asked.until || 0, now + HAND_BACK_MS), now + MAX_HOLD_MS));
    if (!wait || until > wait.until) wait = { ...asked, until };
  }
  if (!wait) return undefined;
  const { until, reason } = wait;
  if (reason === undefined) return { until };
  const adjusted = await tasks.adjust(id, { nonce: fence, dueAt: until, reason });
  if (adjusted.verdict === 'adjusted') return { until: adjusted.dueAt, dueAt: adjusted.dueAt };
  // It has ended, or is not queued (its attempt was lost, its approval expired): begin judges that.
  return adjusted.verdict === 'ended' ? {} : undefined;
}
