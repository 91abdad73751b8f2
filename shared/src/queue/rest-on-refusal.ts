/**
 * A worker rests for a second when Redis refuses. BullMQ asks again at once after a reply such as OOM or LOADING, thousands of
 * times a second.
 */
import type { Worker } from 'bullmq';
import type { Log } from '../log.ts';

const REST_MS = 1_000;

export function restOnRefusal(worker: Worker, type: string, log: Log) {
  let resumeTimer: NodeJS.Timeout | undefined;
  let stopped = false;
  worker.on('error', (error) => {
    if (error.name !== 'ReplyError' || resumeTimer || stopped) {
      log.debug({ error, queue: type }, 'queue error');
      return;
    }
    log.warn({ error, queue: type }, 'redis refuses; the queue rests for a second');
    void worker.pause(true);
    resumeTimer = setTimeout(() => {
      resumeTimer = undefined;
      if (!stopped) void worker.resume();
    }, REST_MS);
  });
  return {
    resting: () => resumeTimer !== undefined,
    /** The worker is not resumed any more. */
    stop() {
      stopped = true;
      clearTimeout(resumeTimer);
    },
  };
}
