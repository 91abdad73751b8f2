/**
 * Tasks in the background step back, without an attempt, while others run here or wait that this runner could take: a title
 * must not hold the model up for a chat. Not for ever: after ten minutes it is their turn like anybody's.
 */
import type { Deps } from '@beanline/shared/deps.ts';
import { timeOf } from '@beanline/shared/task-id.ts';

/** How long a task sleeps that steps back, and the age at which it no longer does. */
const SLEEP_MS = 5_000;
const MAX_AGE_MS = 600_000;
/** How long an answer counts. */
const ASK_MS = 1_000;

/** `busy`: whether a task that is not in the background runs here. */
export function createBackground(
  { catalog, queueState, clock, log }: Pick<Deps, 'catalog' | 'queueState' | 'clock' | 'log'>,
  types: string[],
  busy: () => boolean,
) {
  const others = types.filter((name) => catalog.get(name)?.background === false);
  let askedAt = Number.NEGATIVE_INFINITY;
  let asked: Promise<boolean> = Promise.resolve(false);

  async function ask(): Promise<boolean> {
    try {
      const states = await Promise.all(others.map(queueState));
      // What is paused waits for somebody else.
      return states.some(({ waiting, held }) => waiting > 0 && held !== 'paused');
    } catch (error) {
      log.debug({ error }, 'the queues could not be looked at for a task in the background');
      return false;
    }
  }

  return {
    /** When the task (just taken) is to be taken again (ms, Redis TIME); null when it may run. */
    async stepsBackUntil(taskId: string): Promise<number | null> {
      if (clock.now() - (timeOf(taskId) ?? 0) > MAX_AGE_MS) return null;
      if (busy()) return clock.now() + SLEEP_MS;
      const now = performance.now();
      if (now - askedAt >= ASK_MS) {
        askedAt = now;
        asked = ask();
      }
      return (await asked) ? clock.now() + SLEEP_MS : null;
    },
  };
}
