/** The check that this Redis meets the requirements of one that holds accepted work. */
import type { Redis } from 'ioredis';
import { isLoopback } from '../loopback.ts';
import { nodesOf, type RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';

/** Version of the data's layout; a process refuses data of another one. */
const DATA_VERSION = '1';
const OLDEST_MAJOR = 7;

/** Thrown when Redis is reachable but its settings would lose work. The program exits with code 78. */
export class RedisSettingsError extends Error {
  constructor(problems: string[]) {
    super(`This Redis cannot hold accepted work:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'RedisSettingsError';
  }
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

/** The command that changes a setting of this server. */
function setCommand({ options: { host = '', port = 0, password, tls } }: Redis, setting: string): string {
  const place = isLoopback(host) && port === 6379 ? [] : ['-h', host, '-p', port];
  const command = ['redis-cli', ...place, ...(tls ? ['--tls'] : []), ...(password ? ['--askpass'] : [])];
  return `Run: ${command.join(' ')} config set ${setting}, and put \`${setting}\` into its redis.conf`;
}

async function problemsOf(node: Redis): Promise<string[]> {
  const info = infoFields(await node.info());
  const problems: string[] = [];
  const version = info.get('redis_version') ?? info.get('valkey_version') ?? '0';
  if (Number.parseInt(version, 10) < OLDEST_MAJOR) problems.push(`version ${version}: 7.0 or newer is needed`);
  const policy = info.get('maxmemory_policy');
  if (policy !== 'noeviction')
    problems.push(
      `maxmemory-policy ${policy}: must be noeviction, or accepted tasks vanish. ${setCommand(node, 'maxmemory-policy noeviction')}`,
    );
  if (info.get('aof_enabled') !== '1')
    problems.push(
      `appendonly no: must be yes, or accepted tasks vanish with a restart. ${setCommand(node, 'appendonly yes')}`,
    );
  return problems;
}

/**
 * Refuses a Redis that evicts, keeps nothing on disk or is too old. On a Cluster every node that can be reached is looked at:
 * a replica may be a master soon.
 */
export async function checkSettings(redis: RedisConnection): Promise<void> {
  const nodes = nodesOf(redis);
  const looks = await Promise.allSettled(nodes.map(problemsOf));
  const seen = looks.flatMap((look) => (look.status === 'fulfilled' ? [look.value] : []));
  const refused = looks.find((look) => look.status === 'rejected');
  if (seen.length === 0 && refused) throw refused.reason;
  const problems = [...new Set(seen.flat())];
  if (problems.length > 0) throw new RedisSettingsError(problems);
}

/** Refuses such a Redis, and one that holds data of another layout; the first process to come writes the layout down. */
export async function claimRedis(redis: RedisConnection, keys: Keys, partitions: number): Promise<void> {
  await checkSettings(redis);
  const read = () => redis.hmget(keys.meta, 'partitions', 'data_version');
  let [stored, dataVersion] = await read();
  // Only then: a full Redis takes no write, and who makes room in it shall be able to come.
  if (!stored || !dataVersion) {
    await redis.hsetnx(keys.meta, 'partitions', partitions);
    await redis.hsetnx(keys.meta, 'data_version', DATA_VERSION);
    [stored, dataVersion] = await read();
  }
  const problems: string[] = [];
  if (stored !== String(partitions))
    problems.push(`PARTITIONS is ${partitions}, but this data was created with ${stored}`);
  if (dataVersion !== DATA_VERSION)
    problems.push(`the data has version ${dataVersion}; this program knows ${DATA_VERSION}`);
  if (problems.length > 0) throw new RedisSettingsError(problems);
}
