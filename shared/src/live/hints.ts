/** Hints: what all runners are told at once. A lost one costs time, not truth: the mark is on the record. */
import type { RedisConnection } from '../redis/connect.ts';

export function createHints(options: { subscriber: RedisConnection; publisher: RedisConnection; channel: string }) {
  const { subscriber, publisher, channel } = options;
  const listeners = new Set<(taskId: string | null) => void>();

  subscriber.on('message', (from: string, message: string) => {
    if (from === channel) for (const hear of listeners) hear(message);
  });

  return {
    /** Tells all runners that a task was cancelled. */
    async send(id: string): Promise<void> {
      await publisher.publish(channel, id);
    },

    /** Calls back with the task of each hint, and with null when hints may have been missed. */
    async listen(hear: (taskId: string | null) => void): Promise<void> {
      listeners.add(hear);
      await subscriber.subscribe(channel);
    },

    isHeard: () => listeners.size > 0,

    /** To be called when hints may have been missed. */
    missed() {
      for (const hear of listeners) hear(null);
    },
  };
}
