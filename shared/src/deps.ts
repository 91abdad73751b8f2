/** What the verbs work with: plain objects, made in the one wiring file. */
import type { Catalog } from './job-type.ts';
import type { createLive } from './live/live.ts';
import type { Log } from './log.ts';
import type { Providers } from './models/llm.ts';
import type { ApiKeys } from './owners/api-keys.ts';
import type { OwnerLines } from './owners/lines.ts';
import type { RateLimit } from './owners/rate-limit.ts';
import type { createPresence } from './queue/presence.ts';
import type { TaskQueue } from './queue/queue.ts';
import type { createQueueState } from './queue/queue-state.ts';
import type { createEndedTasks } from './record/ended-tasks.ts';
import type { createSchedule } from './record/schedule.ts';
import type { createTaskReads } from './record/task-reads.ts';
import type { createTaskScripts } from './record/task-scripts.ts';
import type { createAnswerCache } from './redis/answer-cache.ts';
import type { createClaims } from './redis/claims.ts';
import type { Clock } from './redis/clock.ts';
import type { createClockCheck } from './redis/clock-check.ts';
import type { createReadiness } from './redis/readiness.ts';
import type { VersionedCache } from './redis/versioned-cache.ts';
import type { createSessionCache } from './sessions/cache.ts';
import type { SessionTurns } from './sessions/turns.ts';
import type { Store } from './store.ts';

export type Tasks = ReturnType<typeof createTaskScripts> & ReturnType<typeof createTaskReads>;

/** Limits of one process; their variables are in docs/configuration.md. Milliseconds and bytes. */
export type ProcessLimits = {
  maxOutputBytes: number;
  idleTimeoutMs: number;
  taskTimeoutMs: number;
  retryBaseMs: number;
  retryMaxMs: number;
  contextMessages: number;
  contextTokens: number;
  summaryAfterMessages: number;
  autoTitles: boolean;
};

export type Deps = {
  tasks: Tasks;
  schedule: ReturnType<typeof createSchedule>;
  endedTasks: ReturnType<typeof createEndedTasks>;
  queue: TaskQueue;
  queueState: ReturnType<typeof createQueueState>;
  live: ReturnType<typeof createLive>;
  catalog: Catalog;
  clock: Clock;
  clockCheck: Pick<ReturnType<typeof createClockCheck>, 'off'>;
  presence: ReturnType<typeof createPresence>;
  readiness: ReturnType<typeof createReadiness>;
  apiKeys: ApiKeys;
  rateLimit: RateLimit;
  store: Store;
  searchLines: OwnerLines;
  cache: VersionedCache;
  claims: ReturnType<typeof createClaims>;
  sessionCache: ReturnType<typeof createSessionCache>;
  turns: SessionTurns;
  answers: ReturnType<typeof createAnswerCache>;
  log: Log;
  limits: ProcessLimits;
  /** Names this process in `started` events and logs. */
  worker: string;
  partitions: number;
};

/** Only runners call models. */
export type RunnerDeps = Deps & { providers: Providers };
