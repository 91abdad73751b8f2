/** Wiring: configuration in, deps out. The only file that knows which implementation stands behind a seam. */
import { hostname } from 'node:os';
import type { Environment } from './config.ts';
import type { Deps } from './deps.ts';
import type { Catalog } from './job-type.ts';
import { catalog as builtinCatalog } from './jobs/catalog.ts';
import { createLive } from './live/live.ts';
import type { Log } from './log.ts';
import { createDeferred } from './outbox/deferred.ts';
import { createLease } from './outbox/lease.ts';
import { createOutbox } from './outbox/outbox.ts';
import { createReadiness } from './outbox/readiness.ts';
import { createRetention } from './outbox/retention.ts';
import { createApiKeys } from './owners/api-keys.ts';
import { createRateLimit } from './owners/rate-limit.ts';
import { withParts } from './parts.ts';
import { createPresence } from './queue/presence.ts';
import { createQueue } from './queue/queue.ts';
import { createQueueState } from './queue/queue-state.ts';
import { createChecks } from './record/checks.ts';
import { createEndedTasks } from './record/ended-tasks.ts';
import { createTasks } from './record/tasks.ts';
import { parseRedisUrl } from './redis/address.ts';
import { createAnswerCache } from './redis/answer-cache.ts';
import { createClock } from './redis/clock.ts';
import { createClockCheck } from './redis/clock-check.ts';
import { type ConnectOptions, connect, connected, onLost } from './redis/connect.ts';
import { createKeys } from './redis/keys.ts';
import { claimRedis } from './redis/requirements.ts';
import { createVersionedCache } from './redis/versioned-cache.ts';
import { createSessions } from './sessions/sessions.ts';
import { openStore } from './store/open-store.ts';

/** Silence after which the probe's connection is given up. */
const PROBE_SILENCE_MS = 3_000;
/** BullMQ blocks on its connections for up to 10 s. */
const BLOCKING_SILENCE_MS = 15_000;

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
  const address = parseRedisUrl(config.REDIS_URL);
  const open = (name: string, role: ConnectOptions['for'] = patience, silenceMs?: number) =>
    connect(address, {
      name: `${program}-${name}`,
      for: role,
      caFile: config.REDIS_CA_FILE,
      log,
      ...(silenceMs ? { silenceMs } : {}),
    });

  const keys = createKeys(config.KEY_PREFIX);
  const partitions = config.PARTITIONS;
  const probeRedis = open('probe', 'api', PROBE_SILENCE_MS);
  const tasksRedis = open('tasks');
  const queueRedis = open('queue', patience, BLOCKING_SILENCE_MS);
  const liveRedis = open('live', 'worker');
  const others = [tasksRedis, queueRedis, liveRedis];
  // The probe asks all the time, so it is the first to find the way dead: the others need not find out for themselves.
  onLost(probeRedis, others);

  // Whoever is told that Redis is there can use every connection.
  const admit = async () => {
    await claimRedis(probeRedis, keys, partitions);
    await Promise.all(others.map(connected));
  };
  const clock = createClock(probeRedis, {
    keys,
    partitions,
    log,
    timeoutMs: config.REDIS_TIMEOUT_MS,
    admit,
    used: tasksRedis,
    others,
  });

  const clockCheck = createClockCheck(clock, { toleranceMs: config.CLOCK_TOLERANCE_MS, log });

  const tasks = createTasks(tasksRedis, keys, partitions, {
    maxQueueTasks: config.MAX_QUEUE_TASKS,
    maxQueueBytes: config.MAX_QUEUE_BYTES,
    maxOwnerTasks: config.MAX_OWNER_TASKS,
    spreadMs: config.OWNER_SPREAD_MS,
    firstCheckMs: config.SWEEP_FIRST_CHECK_MS,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    // Whoever waits for an API gets its 503; an attempt outlasts a short refusal, as long as it holds its lock.
    patienceMs: program === 'api' ? 0 : config.LOCK_DURATION_MS,
  });
  const queue = createQueue(queueRedis, config.KEY_PREFIX);
  const live = createLive({ subscriber: liveRedis, publisher: tasksRedis, keys, partitions, reads: tasks, log });

  const presence = createPresence(tasksRedis, keys);
  const store = openStore(config, log);
  const cache = createVersionedCache(tasksRedis, { clock, log });
  const cached = {
    sessionMs: config.SESSION_CACHE_MS,
    listMs: config.SESSION_LIST_CACHE_MS,
    windowMs: config.CONTEXT_TTL_MS,
    preferencesMs: config.PREFERENCES_TTL_MS,
  };
  const sessions = createSessions(
    tasksRedis,
    keys,
    { cache, store },
    { cached, claimsMs: config.IDEMPOTENCY_RETENTION_MS, searchTimeoutMs: config.STORE_TIMEOUT_MS },
  );

  const deps: Deps = withParts({
    ...sessions,
    cache,
    tasks,
    checks: createChecks(tasksRedis, keys),
    outbox: createOutbox(tasksRedis, keys),
    lease: createLease(tasksRedis, keys),
    deferred: createDeferred(tasksRedis, keys),
    retention: createRetention(tasksRedis, keys),
    endedTasks: createEndedTasks(tasksRedis, keys),
    queue,
    queueState: createQueueState(tasksRedis, config.KEY_PREFIX),
    live,
    catalog: options.catalog ?? builtinCatalog,
    clock,
    clockCheck,
    presence,
    readiness: createReadiness(tasksRedis, keys, partitions, presence),
    apiKeys: createApiKeys(tasksRedis, keys),
    rateLimit: createRateLimit(tasksRedis, keys, config.RATE_LIMIT),
    store,
    answers: createAnswerCache(tasksRedis, keys, {
      keepMs: config.ANSWER_CACHE_MS,
      maxBytes: config.ANSWER_CACHE_BYTES,
      full: clock.crowded,
      log,
    }),
    log,
    partitions,
    worker: `${hostname()}:${process.pid}`,
    limits: {
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      idleTimeoutMs: config.IDLE_TIMEOUT_MS,
      retryBaseMs: config.RETRY_BASE_MS,
      retryMaxMs: config.RETRY_MAX_MS,
      contextMessages: config.CONTEXT_MESSAGES,
      contextTokens: config.CONTEXT_TOKENS,
      summaryAfterMessages: config.SUMMARY_AFTER_MESSAGES,
      autoTitles: config.AUTO_TITLES === 'on',
    },
  });

  return {
    deps,
    queueRedis,
    keys,
    async close() {
      clock.stop();
      clockCheck.stop();
      live.stop();
      await queue.close();
      for (const redis of [liveRedis, queueRedis, tasksRedis, probeRedis]) redis.disconnect();
      await store.close();
    },
  };
}
