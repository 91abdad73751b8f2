/** Connections to Redis, and the check that this Redis is fit to hold accepted work. */
import { Redis } from 'ioredis';
import type { Log } from '../log.ts';
import type { Keys } from './keys.ts';

/** Version of the data's layout; a process refuses data of another one. */
const DATA_VERSION = '1';

/** Silence after which a connection that owes an answer is given up and made anew. */
const SILENCE_MS = 6_000;

/** Thrown when Redis is reachable but its settings would lose work. The program exits with code 78. */
export class RedisSettingsError extends Error {
  constructor(problems: string[]) {
    super(`This Redis cannot hold accepted work:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'RedisSettingsError';
  }
}

/**
 * `api`: commands fail at once while Redis is away, and nothing in flight is sent twice, so that a request answered 503
 * stays refused. `worker`: commands wait for Redis to come back and are sent again, which the scripts allow.
 */
export function connect(
  url: string,
  options: { name: string; for: 'api' | 'worker'; silenceMs?: number; log: Log },
): Redis {
  const patient = options.for === 'worker';
  const redis = new Redis(url, {
    connectionName: `beanline-${options.name}`,
    enableOfflineQueue: patient,
    autoResendUnfulfilledCommands: patient,
    // Without a number ioredis drops what was in flight when the connection closed: its promise would never settle.
    maxRetriesPerRequest: patient ? null : 0,
    connectTimeout: 2_000,
    // A command without an answer: the connection may be half-open.
    socketTimeout: options.silenceMs ?? SILENCE_MS,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000),
  });
  // Without a listener ioredis prints to the console; the probe tells of an outage once.
  redis.on('error', (error) => options.log.debug({ error, connection: options.name }, 'redis connection'));
  return redis;
}

function infoFields(text: string): Map<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const at = line.indexOf(':');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}

/** Used and allowed bytes; `max` is 0 when Redis has no limit. */
export async function readMemory(redis: Redis): Promise<{ used: number; max: number }> {
  const info = infoFields(await redis.info('memory'));
  return { used: Number(info.get('used_memory') ?? 0), max: Number(info.get('maxmemory') ?? 0) };
}

/**
 * Refuses a Redis that evicts, keeps nothing on disk, is too old, or holds data of another layout; the first process
 * to come writes the layout down.
 */
export async function claimRedis(redis: Redis, keys: Keys, partitions: number): Promise<void> {
  const info = infoFields(await redis.info());
  const problems: string[] = [];
  const version = info.get('redis_version') ?? info.get('valkey_version') ?? '0';
  if (Number.parseInt(version, 10) < 7) problems.push(`version ${version}: 7.0 or newer is needed`);
  const policy = info.get('maxmemory_policy');
  if (policy !== 'noeviction')
    problems.push(`maxmemory-policy ${policy}: must be noeviction, or accepted tasks vanish`);
  if (info.get('aof_enabled') !== '1')
    problems.push('appendonly no: must be yes, or accepted tasks vanish with a restart');
  if (problems.length === 0) {
    await redis.hsetnx(keys.meta, 'partitions', partitions);
    await redis.hsetnx(keys.meta, 'data_version', DATA_VERSION);
    const [stored, dataVersion] = await redis.hmget(keys.meta, 'partitions', 'data_version');
    if (stored !== String(partitions))
      problems.push(`PARTITIONS is ${partitions}, but this data was created with ${stored}`);
    if (dataVersion !== DATA_VERSION)
      problems.push(`the data has version ${dataVersion}; this program knows ${DATA_VERSION}`);
  }
  if (problems.length > 0) throw new RedisSettingsError(problems);
}
