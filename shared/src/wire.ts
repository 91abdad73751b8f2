/** Wiring: configuration in, deps out. The only file that knows which implementation stands behind a seam. */
import { hostname } from 'node:os';
import { createToolDirectory } from './agents/registry/directory.ts';
import type { Environment } from './config.ts';
import type { Deps } from './deps.ts';
import { createGuardedFetch } from './fetch/guarded-fetch.ts';
import type { Catalog } from './job-type.ts';
import { catalog as builtinCatalog } from './jobs/catalog.ts';
import { createLines } from './lines/lines.ts';
import { createLive } from './live/live.ts';
import type { Log } from './log.ts';
import { createDeferred } from './outbox/deferred.ts';
import { createLease } from './outbox/lease.ts';
import { createOutbox } from './outbox/outbox.ts';
import { createReadiness } from './outbox/readiness.ts';
import { createRetention } from './outbox/retention.ts';
import { createApiKeys } from './owners/api-keys.ts';
import { createListLines } from './owners/lines.ts';
import { createRateLimit } from './owners/rate-limit.ts';
import { withParts } from './parts.ts';
import { createPresence } from './queue/presence.ts';
import { createQueue } from './queue/queue.ts';
import { createQueueState } from './queue/queue-state.ts';
import { createChecks } from './record/checks.ts';
import { createEndedTasks } from './record/ended-tasks.ts';
import { createTasks } from './record/tasks.ts';
import { recordLimits } from './record/variables.ts';
import { createAnswerCache } from './redis/caches/answer-cache.ts';
import { createVersionedCache } from './redis/caches/versioned-cache.ts';
import { openRedis } from './redis/open-redis.ts';
import { createSessions } from './sessions/sessions.ts';
import { openStore } from './store/open-store.ts';
import { attemptLimits } from './tasks/variables.ts';

/**
 * Connects one program. `deps.clock.ready()` resolves when Redis is there, and rejects with RedisSettingsError when it is
 * not fit. `close` releases what was opened.
 */
export function wire(
  config: Environment,
  options: { program: 'api' | 'runner' | 'relay'; log: Log; catalog?: Catalog },
) {
  const { program, log } = options;
  const patience = program === 'api' ? 'api' : 'worker';
  const opened = openRedis(config, program, patience, log);
  const { keys, partitions, redis, clock, clockCheck } = opened;
  const tasks = createTasks(redis.tasks, keys, partitions, {
    ...recordLimits(config),
    // Whoever waits for an API gets its 503; an attempt outlasts a short refusal, as long as it holds its lock.
    patienceMs: program === 'api' ? 0 : config.LOCK_DURATION_MS,
  });
  const queue = createQueue(redis.queue, keys.prefix);
  const live = createLive({ subscriber: redis.live, publisher: redis.tasks, keys, partitions, reads: tasks, log });
  const presence = createPresence(redis.tasks, keys);
  const store = openStore(config, log);
  const catalog = options.catalog ?? builtinCatalog;
  const cache = createVersionedCache(redis.tasks, { clock, log });

  const deps: Deps = withParts({
    ...createSessions(redis.tasks, keys, { cache, store }, config),
    tasks,
    checks: createChecks(redis.tasks, keys),
    endedTasks: createEndedTasks(redis.tasks, keys),
    queue,
    queueState: createQueueState(redis.tasks, keys.prefix),
    presence,
    live,
    intents: { modelMs: config.CLASSIFY_MODEL_MS },
    lines: createLines(redis.tasks, keys.prefix, config),
    outbox: createOutbox(redis.tasks, keys),
    lease: createLease(redis.tasks, keys),
    deferred: createDeferred(redis.tasks, keys),
    retention: createRetention(redis.tasks, keys),
    readiness: createReadiness(redis.tasks, keys, partitions, presence),
    clock,
    clockCheck,
    apiKeys: createApiKeys(redis.tasks, keys),
    listLines: createListLines(config.STORE_TIMEOUT_MS),
    rateLimit: createRateLimit(redis.tasks, keys, config.RATE_LIMIT),
    store,
    answers: createAnswerCache(redis.tasks, keys, config, { full: clock.crowded, log }),
    cache,
    catalog,
    toolDirectory: createToolDirectory({ presence, clock, catalog, log }, config),
    fetch: createGuardedFetch(config),
    log,
    limits: attemptLimits(config),
    worker: `${hostname()}:${process.pid}`,
    partitions,
  });

  return {
    deps,
    queueRedis: redis.queue,
    keys,
    async close() {
      opened.stopClock();
      live.stop();
      await queue.close();
      opened.disconnect();
      await store.close();
    },
  };
}
