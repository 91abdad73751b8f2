/**
 * A consumer of a queue: takes jobs, runs their tasks, and parks, promotes or completes them. BullMQ tracks locks by job id
 * and retries its own errors at once; the rules here keep both from doing harm (each was measured).
 */
import { DelayedError, type Job, Worker } from 'bullmq';
import { AttemptStop } from '../context.ts';
import type { Log } from '../log.ts';
import { withBlocking } from '../redis/blocking.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { NEVER, queueName } from './names.ts';
import { restOnRefusal } from './rest-on-refusal.ts';
import { type Running, watchLocks } from './watch-locks.ts';

/**
 * What becomes of a job that was run. `until` (ms, Redis TIME): its task goes on then; without it the job is done. `dueAt`:
 * what the record said when the task was parked; an answer may make it earlier.
 */
export type After = { until?: number; dueAt?: number };

/** What a job says of its task. `isUnmarked`: it has no marks; absent where that was not known. */
export type JobData = { isUnmarked?: true };

/** Runs a task. */
type Run = (taskId: string, signal: AbortSignal, data: JobData) => Promise<After>;

export type ConsumerOptions = {
  type: string;
  concurrency: number;
  connection: RedisConnection;
  prefix: string;
  lockDurationMs: number;
  promote(type: string, id: string): Promise<void>;
  /** When a parked task may go on, read again after its job was parked: it may be earlier by now. */
  dueAt(id: string): Promise<number | null>;
  /** How far this process's clock is behind Redis's, in ms. */
  clockOffset(): number;
  run: Run;
  log: Log;
};

/** Puts a job to sleep until a time (ms, Redis TIME). Throws what tells BullMQ so. */
async function park(
  { type, promote, dueAt: readDueAt, clockOffset, log }: ConsumerOptions,
  job: Job,
  token: string | undefined,
  { until, dueAt }: { until: number; dueAt?: number | undefined },
): Promise<never> {
  const id = job.id ?? '';
  // BullMQ promotes by this machine's clock.
  await job.moveToDelayed(Math.max(until - clockOffset(), 0), token);
  if (dueAt === undefined) throw new DelayedError();
  // Only after the processor has settled may the job be promoted, or the next run loses its lock.
  setImmediate(() => {
    setImmediate(async () => {
      try {
        const due = await readDueAt(id);
        if (due !== null && due < dueAt) await promote(type, id);
      } catch (error) {
        log.debug({ error, task_id: id }, 'the second look at a parked task failed; the sweep will do it');
      }
    });
  });
  throw new DelayedError();
}

export function createConsumer(options: ConsumerOptions) {
  const { type, lockDurationMs, log } = options;
  const running: Running = new Map();
  let taken = 0;
  let stopping = false;

  async function process(job: Job<JobData>, token: string | undefined) {
    const id = job.id ?? '';
    taken++;
    const old = running.get(id);
    if (old) {
      // Our own lost job again. The old run's end would stop the renewal of the new one's lock.
      old.controller.abort(new AttemptStop('superseded'));
      return park(options, job, token, { until: Date.now() + options.clockOffset() + 1_000 });
    }
    const entry = { controller: new AbortController(), renewedAt: performance.now() };
    running.set(id, entry);
    let after: After;
    try {
      after = await options.run(id, entry.controller.signal, job.data);
    } finally {
      running.delete(id);
    }
    const { until, dueAt } = after;
    if (until !== undefined) await park(options, job, token, { until, dueAt });
  }

  const { connection, prefix, concurrency } = options;
  const worker = withBlocking(
    connection,
    `${prefix}:${queueName(type)}:marker`,
    () =>
      new Worker(queueName(type), process, {
        connection,
        prefix,
        concurrency,
        lockDuration: lockDurationMs,
        // A silence of half the lock, begun right before a renewal, still ends before the attempt is given up (0.8).
        lockRenewTime: lockDurationMs / 4,
        stalledInterval: lockDurationMs / 4,
        maxStalledCount: NEVER,
        drainDelay: 1,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      }),
  );

  const unwatch = watchLocks(worker, running, lockDurationMs);
  const refusal = restOnRefusal(worker, type, log);
  worker.on('failed', (job, error) => {
    if (job && job.attemptsMade >= NEVER) log.error({ error, task_id: job.id }, 'a job ended without its task');
    else log.warn({ error, task_id: job?.id }, 'a run broke and will be repeated');
  });

  return {
    type,
    /** Tasks that may run here at once. */
    slots: options.concurrency,
    /** How many jobs it has taken so far. */
    taken: () => taken,
    /** True while it takes nothing by its own decision: Redis refuses, or it stops. */
    resting: () => refusal.resting() || stopping,
    /** Ids of the tasks running here. */
    running: () => [...running.keys()],
    /** Stops one task, if it runs here. */
    stopTask(id: string, reason: Error) {
      running.get(id)?.controller.abort(reason);
    },
    /** Takes no more jobs; those that run go on. */
    async pause() {
      stopping = true;
      refusal.stop();
      await worker.pause(true);
    },
    /** Hands back what still runs. */
    abort() {
      for (const { controller } of running.values()) controller.abort(new AttemptStop('shutting_down'));
    },
    async close() {
      unwatch();
      await worker.close();
    },
  };
}

export type Consumer = ReturnType<typeof createConsumer>;
