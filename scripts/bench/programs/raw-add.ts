/**
 * BullMQ alone: one process that calls `queue.add` as often as it can, with the job options beanline uses. Arguments: the
 * URL of Redis, and the calls in flight. Asked with a number of ms, it answers with the adds per second.
 */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

const redis = new Redis(process.argv[2] ?? '', { maxRetriesPerRequest: null });
const inFlight = Number(process.argv[3]);
const queue = new Queue('{bench.raw}', { connection: redis, prefix: 'bl', streams: { events: { maxLen: 100 } } });
let number = 0;

async function adds(forMs: number): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  async function addUntil(end: number) {
    while (performance.now() < end) {
      await queue.add(
        'task',
        {},
        {
          jobId: `task_${String(++number).padStart(25, '0')}`,
          priority: 20_000,
          attempts: 1_000_000_000,
          backoff: { type: 'fixed', delay: 1_000 },
          removeOnComplete: true,
          removeOnFail: true,
        },
      );
      done++;
    }
  }
  await Promise.all(Array.from({ length: inFlight }, () => addUntil(startedAt + forMs)));
  return (1_000 * done) / (performance.now() - startedAt);
}

await queue.waitUntilReady();
process.on('message', async (forMs: number) => process.send?.(await adds(forMs)));
process.send?.(0);
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
