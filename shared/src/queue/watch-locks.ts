/**
 * The locks that BullMQ holds on the jobs running here. An attempt whose lock could not be renewed is given up before another
 * runner may take its task.
 */
import type { Worker } from 'bullmq';
import { TaskError } from '../errors.ts';

/** A task that runs here, and when the lock of its job was last renewed. */
export type Running = Map<string, { controller: AbortController; renewedAt: number }>;

/** The part of a lock's time after which an attempt is given up. */
const GIVE_UP = 0.8;

/** Gives how to stop watching. */
export function watchLocks(worker: Worker, running: Running, lockDurationMs: number): () => void {
  worker.on('locksRenewed', ({ jobIds }) => {
    for (const id of jobIds) {
      const entry = running.get(id);
      if (entry) entry.renewedAt = performance.now();
    }
  });
  const lost = (id: string) =>
    running.get(id)?.controller.abort(new TaskError('worker_lost', 'The worker lost its hold on the task.'));
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) lost(id);
  });
  const watchdog = setInterval(() => {
    const now = performance.now();
    for (const [id, { renewedAt }] of running) if (now - renewedAt > GIVE_UP * lockDurationMs) lost(id);
  }, lockDurationMs / 10);
  return () => clearInterval(watchdog);
}
