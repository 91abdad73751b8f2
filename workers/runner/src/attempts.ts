/**
 * The attempts running here. Hints of a cancel are quick but may be lost; the record is the truth. So each is checked for a
 * cancel or a takeover that no hint told of.
 */
import type { AttemptStop } from '@beanline/shared/context.ts';
import type { RunnerDeps } from '@beanline/shared/deps.ts';

const CHECK_MS = 1_000;

/** `strange` counts checks that found the task in other hands, since its attempt here has begun. */
type Held = { fence: string; begun: boolean; strange: number; checking: boolean };

/** `stopTask` is called with each task that is to stop here. */
export function watchAttempts(
  { tasks, clock, log }: Pick<RunnerDeps, 'tasks' | 'clock' | 'log'>,
  stopTask: (id: string, kind: AttemptStop['kind']) => void,
) {
  const held = new Map<string, Held>();

  async function checkOne(id: string, attempt: Held) {
    attempt.checking = true;
    try {
      const [state] = await tasks.states([id]);
      // A part may take its time until the attempt begins; until then the task is nobody's, or that of one that was lost.
      if (held.get(id) !== attempt || !state || !attempt.begun) return;
      const ours = state.status === 'in_progress' && state.fence === attempt.fence;
      if (ours && state.cancelled) stopTask(id, 'cancelled');
      // Once may be an attempt that is just beginning or ending.
      attempt.strange = ours ? 0 : attempt.strange + 1;
      if (attempt.strange > 1) stopTask(id, 'superseded');
    } catch (error) {
      log.debug({ error, task_id: id }, 'the check of a running task failed');
    } finally {
      attempt.checking = false;
    }
  }

  /** Each by itself: the tasks of a master that is away hold up no others. */
  function check() {
    for (const [id, attempt] of held) if (!attempt.checking) void checkOne(id, attempt);
  }
  const checker = setInterval(() => {
    if (clock.available()) check();
  }, CHECK_MS);

  return {
    check,

    /** Holds a task for as long as `run` takes, which is given the fence of its attempt, and says when that has begun. */
    async hold<T>(taskId: string, run: (held: { fence: string; begun: () => void }) => Promise<T>): Promise<T> {
      const entry: Held = { fence: crypto.randomUUID(), begun: false, strange: 0, checking: false };
      held.set(taskId, entry);
      try {
        return await run({
          fence: entry.fence,
          begun() {
            entry.begun = true;
          },
        });
      } finally {
        if (held.get(taskId) === entry) held.delete(taskId);
      }
    },

    stop: () => clearInterval(checker),
  };
}
