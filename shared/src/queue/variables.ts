/** What runners take from the queues, and how long they keep it. */
import { z } from 'zod';
import { listed, MINUTE, milliseconds } from '../variable.ts';

/** `name:number,name:number` as a map; the numbers at least `min`. */
const numberMap = (min: number) =>
  z
    .string()
    .transform((text, context) => {
      const map = new Map<string, number>();
      for (const part of listed(text)) {
        const match = /^([a-z0-9.-]+):(\d+)$/.exec(part);
        if (match?.[1] && Number(match[2]) >= min) map.set(match[1], Number(match[2]));
        else context.addIssue({ code: 'custom', message: `"${part}" is not name:number, such as chat.request:50` });
      }
      return map;
    })
    .default(new Map<string, number>());

export const QueueVariables = z
  .object({
    QUEUES: numberMap(1).meta({
      description: 'what a runner consumes and how many at once: `chat.request:50,…`; unset, all',
    }),
    GLOBAL_CONCURRENCY: numberMap(0).meta({
      description:
        'most tasks of a type at once over all runners: `chat.request:500,…`; 0 lifts it, unset leaves it as it is',
    }),
    LOCK_DURATION_MS: milliseconds(500, 10 * MINUTE, 10_000).meta({
      description: 'how long a silent runner keeps its tasks',
    }),
    PROGRESS_TIMEOUT_MS: milliseconds(1_000, 60 * MINUTE, 30_000).meta({
      description:
        'after which a runner that takes nothing although tasks wait for it hands back, and exits with 75 to be replaced',
    }),
  })
  .meta({ title: 'Queues' });
export type QueueVariables = z.output<typeof QueueVariables>;
