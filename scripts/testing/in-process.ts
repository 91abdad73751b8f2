/**
 * A whole beanline in the test's own process: the three programs as they are wired everywhere, without three processes to
 * start. Its keys have a prefix of their own, so that many share the Redis of a run. Tests that kill or freeze a program, or
 * look at its process, use `startSystem`.
 */
import { randomBytes } from 'node:crypto';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { HttpVariables } from '../../apps/api/src/http/variables.ts';
import { catalogOf } from './catalog.ts';
import { type SharedRedis, sharedRedis } from './shared-redis.ts';
import { type ProgramName, startIn } from './start-program.ts';
import { testStore } from './store.ts';
import { TEST_ENV } from './system.ts';

type Options = {
  /** Without it that of the run. */
  redis?: SharedRedis;
  apis?: number;
  runners?: number;
  relays?: number;
  env?: Record<string, string>;
};

export type InProcess = Awaited<ReturnType<typeof startInProcess>>;

/** Starts APIs, runners and relays, and waits until all are ready. */
export async function startInProcess(options: Options = {}) {
  const redis = options.redis ?? (await sharedRedis());
  const store = await testStore();
  const prefix = options.env?.KEY_PREFIX ?? `t${randomBytes(6).toString('hex')}`;
  // At the end nothing is waited for: what still runs belongs to nobody.
  const env = { ...TEST_ENV, DRAIN_MS: '0', REDIS_URL: redis.url, KEY_PREFIX: prefix, ...store.env, ...options.env };
  const stops: (() => Promise<void>)[] = [];
  let logged = '';
  const to = {
    write(line: string) {
      logged += line;
    },
  };

  async function start(name: ProgramName, more: Record<string, string> = {}) {
    const config = readConfig({ ...env, PORT: '0', ...more }, HttpVariables);
    const log = createLog({ level: config.LOG_LEVEL, name, to });
    const program = await startIn(name, config, { log, catalog: catalogOf(env) });
    const stop = once(program.stop);
    stops.push(stop);
    return { ...program, stop };
  }
  async function stop() {
    await Promise.all(stops.map((end) => end()));
    if (!options.redis) await redis.stop();
    await store.drop();
  }
  async function startApi(more: Record<string, string> = {}) {
    const { port = 0, stop } = await start('api', more);
    return { url: `http://127.0.0.1:${port}`, port, stop };
  }
  const startRunner = (more: Record<string, string> = {}) => start('runner', more);
  const startRelay = () => start('relay');
  const times = <T>(count: number, begin: () => Promise<T>) =>
    Promise.all(Array.from({ length: count }, () => begin()));

  const starting = [
    times(options.apis ?? 1, startApi),
    times(options.runners ?? 1, startRunner),
    times(options.relays ?? 1, startRelay),
  ] as const;
  const [apis] = await Promise.all(starting).catch(async (error: unknown) => {
    // Whoever called has nothing to stop, and its test file would never end.
    await Promise.allSettled(starting);
    await stop();
    throw error;
  });
  return {
    redis,
    /** Of all its keys in Redis. */
    prefix,
    env,
    dataDir: store.env.DATA_DIR,
    /** Where its programs have their store. */
    storeEnv: store.env,
    /** The first API. */
    url: apis[0]?.url ?? '',
    apis,
    startApi,
    startRunner,
    startRelay,
    /** Logs of all programs, for canary checks. */
    logs: () => logged,
    stop,
  };
}

function once(end: () => Promise<void>): () => Promise<void> {
  let ending: Promise<void> | undefined;
  return () => {
    ending ??= end();
    return ending;
  };
}
