/** Wiring: configuration in, deps out. The only file that knows which implementation stands behind a seam. */
import { hostname } from 'node:os';
import type { Environment } from './config.ts';
import type { Deps } from './deps.ts';
import type { Catalog } from './job-type.ts';
import { catalog as builtinCatalog } from './jobs/catalog.ts';
import type { Providers } from './llm.ts';
import type { Log } from './log.ts';
import type { Provider } from './provider.ts';
import { claimRedis, connect } from './redis/connect.ts';
import { createKeys } from './redis/keys.ts';
import { createLive } from './redis/live.ts';
import { createProbe } from './redis/probe.ts';
import { createQueue } from './redis/queue.ts';
import { createSchedule } from './redis/schedule.ts';
import { createTaskReads } from './redis/task-reads.ts';
import { createTaskScripts } from './redis/task-scripts.ts';

/** Silence after which the probe's connection is given up. */
const PROBE_SILENCE_MS = 3_000;
/** BullMQ blocks on its connections for up to 10 s. */
const BLOCKING_SILENCE_MS = 15_000;

/** Rank each waiting task of the same owner adds. There is one owner while there are no API keys: nobody to be fair to. */
const SPREAD_MS = 0;

/** The providers of a configuration. SDKs are loaded only where model calls are made. */
export async function createProviders(config: Environment): Promise<Providers> {
  const { builtinProvider } = await import('./providers/builtin.ts');
  const builtin = builtinProvider();
  const byName = new Map<string, Provider>([[builtin.name, builtin]]);
  let preferred: Provider = builtin;
  if (config.OPENAI_API_KEY || config.OPENAI_BASE_URL) {
    const { openaiProvider } = await import('./providers/openai.ts');
    preferred = openaiProvider({
      name: 'openai',
      apiKey: config.OPENAI_API_KEY,
      baseURL: config.OPENAI_BASE_URL,
      defaultModel: config.OPENAI_BASE_URL ? undefined : 'gpt-4o-mini',
    });
    byName.set(preferred.name, preferred);
  }
  return { byName, default: preferred, defaultModel: config.DEFAULT_MODEL ?? preferred.defaultModel ?? 'default' };
}

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
  const open = (name: string, role: 'api' | 'worker' = patience, silenceMs?: number) =>
    connect(config.REDIS_URL, { name: `${program}-${name}`, for: role, log, ...(silenceMs ? { silenceMs } : {}) });

  const keys = createKeys(config.KEY_PREFIX);
  const partitions = config.PARTITIONS;
  const probeRedis = open('probe', 'api', PROBE_SILENCE_MS);
  const tasksRedis = open('tasks');
  const queueRedis = open('queue', patience, BLOCKING_SILENCE_MS);
  const liveRedis = open('live', 'worker');
  // The probe asks all the time, so it is the first to find the way dead: the others need not find out for themselves.
  probeRedis.on('close', () => {
    for (const redis of [tasksRedis, queueRedis, liveRedis]) if (redis.status === 'ready') redis.disconnect(true);
  });

  const clock = createProbe(probeRedis, log, () => claimRedis(probeRedis, keys, partitions));

  const reads = createTaskReads(tasksRedis, keys, partitions);
  const scripts = createTaskScripts(tasksRedis, keys, partitions, {
    maxQueueTasks: config.MAX_QUEUE_TASKS,
    maxQueueBytes: config.MAX_QUEUE_BYTES,
    maxOwnerTasks: config.MAX_OWNER_TASKS,
    spreadMs: SPREAD_MS,
    firstCheckMs: config.SWEEP_FIRST_CHECK_MS,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    // Whoever waits for an API gets its 503; an attempt outlasts a short refusal, as long as it holds its lock.
    patienceMs: program === 'api' ? 0 : config.LOCK_DURATION_MS,
  });
  const queue = createQueue(queueRedis, config.KEY_PREFIX);
  const live = createLive({ subscriber: liveRedis, publisher: tasksRedis, keys, partitions, reads, log });

  const deps: Deps = {
    tasks: { ...scripts, ...reads },
    schedule: createSchedule(tasksRedis, keys),
    queue,
    live,
    catalog: options.catalog ?? builtinCatalog,
    clock,
    log,
    partitions,
    worker: `${hostname()}:${process.pid}`,
    limits: {
      maxOutputBytes: config.MAX_OUTPUT_BYTES,
      idleTimeoutMs: config.IDLE_TIMEOUT_MS,
      taskTimeoutMs: config.TASK_TIMEOUT_MS,
      retryBaseMs: config.RETRY_BASE_MS,
      retryMaxMs: config.RETRY_MAX_MS,
    },
  };

  return {
    deps,
    queueRedis,
    keys,
    async close() {
      clock.stop();
      live.stop();
      await queue.close();
      for (const redis of [liveRedis, queueRedis, tasksRedis, probeRedis]) redis.disconnect();
    },
  };
}
