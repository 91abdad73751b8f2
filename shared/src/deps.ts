/** What programs are made of: plain objects, made in the one wiring file. Verbs name what they need of them themselves. */
import type { ToolDirectory } from './agents/registry/directory.ts';
import type { GuardedFetch } from './fetch/guarded-fetch.ts';
import type { Catalog } from './job-type.ts';
import type { Lines } from './lines/lines.ts';
import type { Live } from './live/live.ts';
import type { Log } from './log.ts';
import type { Providers } from './models/llm.ts';
import type { Deferred } from './outbox/deferred.ts';
import type { Lease } from './outbox/lease.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { createReadiness } from './outbox/readiness.ts';
import type { Retention } from './outbox/retention.ts';
import type { ApiKeys } from './owners/api-keys.ts';
import type { OwnerLines } from './owners/lines.ts';
import type { RateLimit } from './owners/rate-limit.ts';
import type { Part } from './part.ts';
import type { Presence } from './queue/presence.ts';
import type { TaskQueue } from './queue/queue.ts';
import type { QueueStates } from './queue/queue-state.ts';
import type { Checks } from './record/checks.ts';
import type { EndedTasks } from './record/ended-tasks.ts';
import type { Tasks } from './record/tasks.ts';
import type { AnswerCache } from './redis/caches/answer-cache.ts';
import type { VersionedCache } from './redis/caches/versioned-cache.ts';
import type { Clock } from './redis/clock.ts';
import type { ClockCheck } from './redis/clock-check.ts';
import type { Sessions } from './sessions/sessions.ts';
import type { Store } from './store.ts';
import type { AttemptLimits } from './tasks/variables.ts';

export type Deps = Sessions & {
  tasks: Tasks;
  checks: Checks;
  endedTasks: EndedTasks;
  queue: TaskQueue;
  queueState: QueueStates;
  presence: Presence;
  live: Live;
  lines: Lines;
  /** What asking a model for an intent may cost. */
  intents: { modelMs: number };
  outbox: Outbox;
  lease: Lease;
  deferred: Deferred;
  retention: Retention;
  readiness: ReturnType<typeof createReadiness>;
  clock: Clock;
  clockCheck: Pick<ClockCheck, 'off'>;
  apiKeys: ApiKeys;
  rateLimit: RateLimit;
  listLines: OwnerLines;
  store: Store;
  answers: AnswerCache;
  cache: VersionedCache;
  catalog: Catalog;
  toolDirectory: ToolDirectory;
  fetch: GuardedFetch;
  parts: readonly Part[];
  log: Log;
  limits: AttemptLimits;
  /** Names this process in `started` events and logs. */
  worker: string;
  partitions: number;
};

/** Only runners call models. */
export type RunnerDeps = Deps & { providers: Providers };
