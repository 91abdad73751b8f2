/**
 * The progress watchdog: the last defence against a consumer that hangs. When jobs wait that this runner could take, it
 * has a free slot, and it has taken nothing for the whole time, then something in it is broken that nobody knows of, and a
 * new process is the cure. Whatever else may be the reason begins the time anew: a queue that is paused, limited or at its
 * global concurrency, no free slot, a Redis that is away, refuses or hangs, and a process that did not run itself
 * (stopped, asleep with its machine, or starved).
 */
import type { Log } from '@beanline/shared/log.ts';
import type { Consumer } from '@beanline/shared/queue/consumer.ts';
import type { QueueState } from '@beanline/shared/queue/queue-state.ts';

/** Looks per timeout: what waits between two looks only is not seen to wait. */
const LOOKS = 10;
const MAX_INTERVAL_MS = 3_000;
/** A look may be late by this many intervals, and a second, before the process counts as one that did not run. */
const LATE_INTERVALS = 3;

/** `stuck` resolves when a consumer takes nothing of what waits for `timeoutMs`; the log has the facts. */
export function watchProgress(options: {
  consumers: Pick<Consumer, 'type' | 'slots' | 'running' | 'taken' | 'resting'>[];
  state(type: string): Promise<QueueState>;
  available(): boolean;
  timeoutMs: number;
  log: Log;
}) {
  const { consumers, timeoutMs, log } = options;
  const intervalMs = Math.min(timeoutMs / LOOKS, MAX_INTERVAL_MS);
  const stuck = Promise.withResolvers<void>();
  /** Since when each consumer should have taken a job, and how many it had taken then. */
  const idle = new Map<string, { since: number; taken: number }>();
  // The wall clock goes on while a machine sleeps, the other one may not.
  let lookedAt = { steady: performance.now(), wall: Date.now() };
  let looking = false;

  async function look() {
    for (const consumer of consumers) {
      const { type, slots } = consumer;
      const before = idle.get(type);
      const excused = () =>
        !options.available() ||
        consumer.resting() ||
        consumer.running().length >= slots ||
        (before !== undefined && consumer.taken() !== before.taken);
      idle.delete(type);
      if (excused()) continue;
      const askedAt = performance.now();
      const { waiting, held } = await options.state(type);
      const now = performance.now();
      const hung = now - askedAt > intervalMs;
      // Whoever fetches waited for Redis just as long, in every queue.
      if (hung) idle.clear();
      if (waiting === 0 || held !== null || excused()) continue;
      const since = hung || before === undefined ? now : before.since;
      idle.set(type, { since, taken: consumer.taken() });
      if (now - since < timeoutMs) continue;
      clearInterval(timer);
      const facts = { queue: type, waiting, running: consumer.running().length, slots };
      log.error({ ...facts, silent_ms: Math.round(now - since) }, 'jobs wait and slots are free, but none is taken');
      stuck.resolve();
      return;
    }
  }

  const timer = setInterval(() => {
    const now = { steady: performance.now(), wall: Date.now() };
    const passedMs = Math.max(now.steady - lookedAt.steady, now.wall - lookedAt.wall);
    lookedAt = now;
    if (passedMs > LATE_INTERVALS * intervalMs + 1_000) idle.clear();
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => {
        idle.clear();
        log.debug({ error }, 'the progress of the queues could not be read');
      })
      .finally(() => {
        looking = false;
      });
  }, intervalMs);

  return { stuck: stuck.promise, stop: () => clearInterval(timer) };
}
