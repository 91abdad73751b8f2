/** A whole beanline for one test file: its own Redis, and the real programs as processes that tests may kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../start/free-port.ts';
import { PATIENT } from './patient.ts';
import { type StoreEnv, testStore } from './store.ts';
import { testCluster } from './test-cluster.ts';
import { type TestRedis, testRedis } from './test-redis.ts';
import { until } from './until.ts';

const PROGRAM = fileURLToPath(new URL('program.ts', import.meta.url));
const READY_MS = 3_000;

/** For the tests of a Redis that is silent: it counts as away as soon as by default. */
export const PROMPT = { REDIS_TIMEOUT_MS: '300' };
/** For the tests that wait until the lock of a runner that died has run out. */
export const SHORT_LOCK = { LOCK_DURATION_MS: '4000' };

/** Short checks and back-offs, so that a repair takes seconds. A test may override each. */
export const TEST_ENV = {
  LOG_LEVEL: 'info',
  OLLAMA_HOST: 'off',
  ...PATIENT,
  LOCK_DURATION_MS: '10000',
  SWEEP_INTERVAL_MS: '200',
  SWEEP_FIRST_CHECK_MS: '1000',
  CANCEL_GRACE_MS: '3000',
  RETRY_BASE_MS: '50',
  RETRY_MAX_MS: '500',
  // A model server that refuses costs a failure at once; who tests the waiting for one says so.
  PROVIDER_PATIENCE_MS: '0',
  DRAIN_MS: '1000',
};

/** Of a test's environment what its programs get too. */
export const INHERITED = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };

export type Program = {
  child: ChildProcess;
  /** Everything it has written to its log. */
  log(): string;
  /** Sends a signal and, unless it only freezes or thaws, waits for the end. */
  signal(signal: NodeJS.Signals): Promise<void>;
  ended: Promise<unknown>;
};

export type SystemOptions = {
  redis?: TestRedis;
  runners?: number;
  relays?: number;
  apis?: number;
  env?: Record<string, string>;
};

const FREEZES = new Set<NodeJS.Signals>(['SIGSTOP', 'SIGCONT']);

export function startProgram(name: 'api' | 'runner' | 'relay', env: Record<string, string>): Program {
  const child = spawn(process.execPath, [PROGRAM, name], {
    env: { ...INHERITED, ...env, BEANLINE_PARENT: '1' },
    // The child leaves when the test process is gone and its end of the pipe closes.
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = once(child, 'exit');
  return {
    child,
    log: () => text,
    ended,
    async signal(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      if (!FREEZES.has(signal)) await ended;
    },
  };
}

/** Waits for a program; rejects with its log when it ends instead. */
async function started(what: string, ready: () => Promise<boolean> | boolean, program: Program): Promise<void> {
  await until(`${what} is ready`, async () => {
    if (await ready()) return true;
    const { exitCode, signalCode } = program.child;
    if (exitCode !== null || signalCode !== null) throw new Error(`${what} did not start:\n${program.log()}`);
    return false;
  });
}

export type System = Awaited<ReturnType<typeof startSystem>>;

/** Starts Redis (unless given one), APIs, runners and relays, and waits until all are ready. */
export async function startSystem(options: SystemOptions = {}) {
  const redis = options.redis ?? (process.env.TEST_ON_CLUSTER ? await testCluster() : await testRedis());
  const store = await testStore();
  const env = { ...TEST_ENV, KEY_PREFIX: 'bl', REDIS_URL: redis.url, ...store.env, ...options.env };
  const programs: Program[] = [];
  let failed = false;

  function launch(...args: Parameters<typeof startProgram>): Program {
    // One that was still looking for its port when another one failed.
    if (failed) throw new Error('the system did not start');
    const program = startProgram(...args);
    programs.push(program);
    return program;
  }
  async function stop() {
    for (const { child } of programs) child.kill('SIGCONT');
    await Promise.all(programs.map((program) => program.signal('SIGKILL')));
    if (!options.redis) await redis.stop();
    await store.drop();
  }

  async function startApi(
    more: Record<string, string> = {},
    port?: number,
  ): Promise<Program & { url: string; port: number }> {
    const listen = port ?? (await freePort());
    const program = launch('api', { ...env, ...more, PORT: String(listen) });
    const url = `http://127.0.0.1:${listen}`;
    const ready = () =>
      // Else somebody else may answer, who was faster to take the port.
      program.log().includes('the API listens') &&
      // Asked again when it takes long: on a busy machine a first fetch was seen never to settle, its connection gone.
      fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_MS) }).then(
        (response) => response.ok,
        () => false,
      );
    try {
      await started('the API', ready, program);
    } catch (error) {
      // Somebody else was faster to take the free port.
      if (port === undefined && program.log().includes('EADDRINUSE')) return startApi(more);
      throw error;
    }
    return { ...program, url, port: listen };
  }
  async function startRunner(more: Record<string, string> = {}) {
    const program = launch('runner', { ...env, ...more });
    await started('the runner', () => program.log().includes('the runner is ready'), program);
    return program;
  }
  async function startRelay() {
    const program = launch('relay', env);
    await started('the relay', () => program.log().includes('the relay is ready'), program);
    return program;
  }
  const times = <T>(count: number, start: () => Promise<T>) =>
    Promise.all(Array.from({ length: count }, () => start()));

  const [apis, runners, relays] = await Promise.all([
    times(options.apis ?? 1, startApi),
    times(options.runners ?? 1, startRunner),
    times(options.relays ?? 1, startRelay),
  ]).catch(async (error: unknown) => {
    // Whoever called has nothing to stop, and its test file would never end.
    failed = true;
    await stop();
    throw error;
  });
  return {
    redis,
    /** Of all its keys in Redis. */
    prefix: env.KEY_PREFIX,
    /** What its programs are started with. */
    env,
    dataDir: store.env.DATA_DIR,
    /** Where its programs have their store. */
    storeEnv: Object.fromEntries(Object.keys(store.env).map((name) => [name, env[name as keyof StoreEnv]])) as StoreEnv,
    /** The first API. */
    url: apis[0]?.url ?? '',
    apis,
    runners,
    relays,
    startApi,
    startRunner,
    startRelay,
    /** Logs of all programs, for canary checks. */
    logs: () => programs.map((program) => program.log()).join(''),
    stop,
  };
}
