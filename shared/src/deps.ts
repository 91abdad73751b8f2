/** What the verbs work with: plain objects, made in the one wiring file. */
import type { Catalog } from './job-type.ts';
import type { Providers } from './llm.ts';
import type { Log } from './log.ts';
import type { ApiKeys } from './redis/api-keys.ts';
import type { createLive } from './redis/live.ts';
import type { Probe } from './redis/probe.ts';
import type { TaskQueue } from './redis/queue.ts';
import type { RateLimit } from './redis/rate-limit.ts';
import type { createSchedule } from './redis/schedule.ts';
import type { createTaskReads } from './redis/task-reads.ts';
import type { createTaskScripts } from './redis/task-scripts.ts';

export type Tasks = ReturnType<typeof createTaskScripts> & ReturnType<typeof createTaskReads>;

/** Limits of one process; their variables are in the README's table. Milliseconds and bytes. */
export type ProcessLimits = {
  maxOutputBytes: number;
  idleTimeoutMs: number;
  taskTimeoutMs: number;
  retryBaseMs: number;
  retryMaxMs: number;
};

export type Deps = {
  tasks: Tasks;
  schedule: ReturnType<typeof createSchedule>;
  queue: TaskQueue;
  live: ReturnType<typeof createLive>;
  catalog: Catalog;
  clock: Probe;
  apiKeys: ApiKeys;
  rateLimit: RateLimit;
  log: Log;
  limits: ProcessLimits;
  /** Names this process in `started` events and logs. */
  worker: string;
  partitions: number;
};

/** Only runners call models. */
export type RunnerDeps = Deps & { providers: Providers };
