/**
 * The Redis that holds the keys: that of REDIS_URL, else that of `npm start`. When it runs, its own is used; when it does
 * not, Redis is started for the moment: the first key must come before a start that the world may reach.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '../shared/src/config.ts';
import { createLog } from '../shared/src/log.ts';
import { parseRedisUrl } from '../shared/src/redis/address.ts';
import { connect, type RedisConnection } from '../shared/src/redis/connect.ts';
import { DirInUseError, holdDataDir } from './start/data-dir.ts';
import { checkGivenRedis } from './start/redis/given-redis.ts';
import { ownRedis } from './start/redis/own-redis.ts';
import { waitForRedis } from './start/redis/redis-server.ts';

const ANSWER_MS = 5_000;

/** Where the running `npm start` of this directory has its Redis; waits for it, as it may only just be starting. */
async function runningUrl(dataDir: string): Promise<string> {
  const file = join(dataDir, 'redis', 'start.json');
  for (const deadline = performance.now() + ANSWER_MS; performance.now() < deadline; await delay(100)) {
    try {
      const { port, password } = JSON.parse(readFileSync(file, 'utf8')) as { port: number; password?: string };
      await waitForRedis(port, { timeoutMs: 500, ...(password ? { password } : {}) });
      return `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
    } catch {
      // Not yet.
    }
  }
  throw new Error(
    `npm start runs with ${dataDir}, but no Redis of its own answers. If it uses another, set REDIS_URL.`,
  );
}

export function connectKeys(url: string, config: Environment): RedisConnection {
  const log = createLog({ level: 'silent', name: 'keys' });
  return connect(parseRedisUrl(url), { name: 'keys', for: 'worker', caFile: config.REDIS_CA_FILE, log });
}

/** Calls `use` with the address of the Redis. */
export async function withRedis(
  config: Environment,
  env: NodeJS.ProcessEnv,
  use: (url: string) => Promise<void>,
): Promise<void> {
  if (env.REDIS_URL) {
    const answers = await checkGivenRedis(config, new AbortController().signal);
    if (!answers) throw new Error('The Redis of REDIS_URL does not answer.');
    return use(config.REDIS_URL);
  }
  const held = holdIfFree(config.DATA_DIR);
  if (!held) return use(await runningUrl(resolve(config.DATA_DIR)));
  const say = (line: string) => process.stderr.write(`beanline: ${line}\n`);
  try {
    say(`npm start is not running; starting its Redis in ${held.path} for this`);
    const redis = await ownRedis(held.path, say, new AbortController().signal);
    const child = redis.spawn();
    try {
      await use(redis.url);
    } finally {
      // It may have died meanwhile: its exit would not come again.
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      await redis.end();
    }
  } finally {
    held.release();
  }
}

/** The data directory, held; null when `npm start` has it. */
function holdIfFree(dataDir: string) {
  try {
    return holdDataDir(dataDir, `process ${process.pid}, npm run keys`);
  } catch (error) {
    if (error instanceof DirInUseError) return null;
    throw error;
  }
}
