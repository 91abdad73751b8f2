/** The Redis that REDIS_URL names, looked at before anything is started: what is wrong with it is told once, and how to mend it. */
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../../shared/src/log.ts';
import { isLoopback } from '../../../shared/src/loopback.ts';
import { parseRedisUrl, type RedisAddress } from '../../../shared/src/redis/address.ts';
import { connect, type RedisConnection } from '../../../shared/src/redis/connect.ts';
import { checkSettings, RedisSettingsError } from '../../../shared/src/redis/requirements.ts';
import type { RedisVariables } from '../../../shared/src/redis/variables.ts';

const PATIENCE_MS = 3_000;
const INTERVAL_MS = 50;
const DEFAULT_PORT = 6379;
const OWN = 'Or let npm start run its own: env -u REDIS_URL npm start';

function hostsOf(address: RedisAddress): string {
  if (address.kind === 'single') return `${address.host}:${address.port}`;
  const nodes = address.kind === 'cluster' ? address.nodes : address.sentinels;
  return nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
}

/** What to do about a Redis that cannot be used for this cause. */
function remedy(address: RedisAddress, cause: string): string {
  if (/NOAUTH|WRONGPASS|NOPERM|password/.test(cause))
    return 'Put the login into it, percent-encoded: REDIS_URL=redis://:<password>@<host>:<port>';
  if (/certificate|self-signed|SSL|TLS/i.test(cause))
    return 'REDIS_CA_FILE names the certificate of a private authority; redis:// speaks without TLS';
  if (address.kind !== 'single' || !isLoopback(address.host))
    return `See whether this machine reaches it: redis-cli -u "$REDIS_URL" ping. ${OWN}`;
  const port = address.port === DEFAULT_PORT ? '' : ` --port ${address.port}`;
  return `Start it: redis-server${port} --appendonly yes --maxmemory-policy noeviction. ${OWN}`;
}

/** What it answered within the time it has; a refusal is an error of the connection. Throws RedisSettingsError when it would lose work. */
async function look(redis: RedisConnection, stopped: AbortSignal): Promise<{ isFit: boolean; refusal?: string }> {
  let refusal: string | undefined;
  const hear = (error: Error & { lastNodeError?: Error }) => {
    refusal = (error.lastNodeError ?? error).message;
  };
  redis.on('error', hear);
  redis.on('node error', hear);
  for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await delay(INTERVAL_MS)) {
    if (stopped.aborted) break;
    if (redis.status !== 'ready') continue;
    try {
      await checkSettings(redis);
      return { isFit: true };
    } catch (error) {
      if (error instanceof RedisSettingsError) throw error;
      hear(error as Error);
    }
  }
  return { isFit: false, ...(refusal === undefined ? {} : { refusal }) };
}

/**
 * Throws when it cannot be used, with the variable, the reason and a remedy. False when it is silent so far, as one that
 * loads its data.
 */
export async function checkGivenRedis(config: RedisVariables, stopped: AbortSignal): Promise<boolean> {
  const address = parseRedisUrl(config.REDIS_URL);
  const log = createLog({ level: 'silent', name: 'start' });
  const redis = connect(address, { name: 'start', for: 'api', caFile: config.REDIS_CA_FILE, log });
  try {
    const { isFit, refusal } = await look(redis, stopped);
    if (refusal === undefined || stopped.aborted) return isFit;
    const told = `REDIS_URL: the Redis at ${hostsOf(address)} cannot be used: ${refusal}`;
    throw new Error(`${told}. ${remedy(address, refusal)}`);
  } finally {
    redis.disconnect();
  }
}
