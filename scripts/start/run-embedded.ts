/**
 * The embedded beanline: Redis, API, runners and relay as children of this process. The children end when this process
 * does, however it ends: their standard input closes then, and with BEANLINE_PARENT set they drain and exit on that. A
 * Redis left behind by a SIGKILL is ended by the next start.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiEnvironment } from '../../apps/api/src/http/variables.ts';
import type { Catalog } from '../../shared/src/job-type.ts';
import { openCatalog } from '../../shared/src/jobs/catalog.ts';
import { EXIT_CONFIG, isRefusal } from '../../shared/src/program.ts';
import { type PassedLog, passLog } from './child-log.ts';
import { holdDataDir } from './data-dir.ts';
import { defaultModel } from './default-model.ts';
import { cannotListen, freePort } from './free-port.ts';
import type { Program } from './keep-running.ts';
import { portHolder } from './port-holder.ts';
import { checkGivenRedis } from './redis/given-redis.ts';
import { type OwnRedis, ownRedis } from './redis/own-redis.ts';
import { type StartOptions, startOptions, USAGE } from './start-options.ts';
import { onStopSignals } from './stop-signals.ts';
import { supervisor } from './supervisor.ts';
import { needsKey, waitUntilReady } from './wait-until-ready.ts';
import { welcome } from './welcome.ts';

/** Above DRAIN_MS, for closing connections after the drain; with Redis's own it stays below 10 s by default. */
const CLOSE_MS = 1_000;
const REDIS_GRACE_MS = 800;
const LAST_WORDS_MS = 200;
const PORT_RETRY_MS = 100;

export type EmbeddedOptions = {
  argv: string[];
  env: NodeJS.ProcessEnv;
  /** Arguments to node of each program. */
  programs: { api: string[]; runner: string[]; relay: string[] };
};

function say(line: string): void {
  process.stdout.write(`beanline: ${line}\n`);
}

/** Says what is wrong; gives the exit code. */
function complain(error: unknown): number {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return isRefusal(error) ? EXIT_CONFIG : 1;
}

/** How this machine reaches an API that listens there, as a URL has it; no browser opens the address of "everywhere". */
function reachableHost(host: string): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return name.includes(':') ? `[${name}]` : name;
}

async function choosePort({ PORT, HOST, DRAIN_MS }: ApiEnvironment, abandoned: boolean): Promise<number> {
  if (PORT === 0) return freePort(HOST);
  const patience = performance.now() + (abandoned ? DRAIN_MS + CLOSE_MS : 0);
  for (let said = false; ; said = true) {
    const code = await cannotListen(PORT, HOST);
    if (code === undefined) return PORT;
    if (code === 'EADDRINUSE' && performance.now() < patience) {
      if (!said) say(`port ${PORT} is in use, waiting for the programs of a killed start to end`);
      await delay(PORT_RETRY_MS);
      continue;
    }
    const holder = portHolder(PORT);
    const why = code === 'EADDRINUSE' ? `is in use${holder ? ` by ${holder}` : ''}` : `cannot be used (${code})`;
    throw new Error(`Port ${PORT} (PORT) on ${HOST} ${why}. Choose another one: npm start -- --port ${PORT + 1}`);
  }
}

/** Our own Redis; none where REDIS_URL names one, which is looked at. */
async function openRedis(config: ApiEnvironment, env: NodeJS.ProcessEnv, stopped: AbortSignal) {
  if (!env.REDIS_URL) return ownRedis(config.DATA_DIR, say, stopped);
  await checkGivenRedis(config, stopped);
  return undefined;
}

/** One of our programs, as the supervisor keeps it running. `logs` holds the logs that have not ended yet. */
function program(name: string, args: string[], env: NodeJS.ProcessEnv, logs: Set<Promise<void>>): Program {
  let log: PassedLog | undefined;
  return {
    name,
    spawn() {
      const started = spawn(process.execPath, args, {
        env: { ...env, BEANLINE_PARENT: '1' },
        stdio: ['pipe', 'inherit', 'pipe'],
        // Its own process group: Ctrl-C in the terminal comes to us alone, and everything ends in order.
        detached: true,
      });
      started.stdin?.on('error', () => {});
      if (started.stderr) {
        log = passLog(name, started.stderr, Boolean(env.LOG_LEVEL));
        const ended = log.ended.finally(() => logs.delete(ended));
        logs.add(ended);
      }
      return started;
    },
    async lastWords() {
      const ending = log;
      await Promise.race([ending?.ended, delay(LAST_WORDS_MS)]);
      return ending?.last() ?? [];
    },
  };
}

async function runAll(
  { config, runners, catalog }: StartOptions & { catalog: Catalog },
  { env, programs }: EmbeddedOptions,
  abandoned: boolean,
): Promise<number> {
  const startedAt = performance.now();
  const over = new AbortController();
  let exitCode = 0;
  const logs = new Set<Promise<void>>();
  const children = supervisor({
    graceMs: config.DRAIN_MS + CLOSE_MS,
    lastGraceMs: REDIS_GRACE_MS,
    say,
    onHopeless(_name, code) {
      exitCode = code;
      over.abort();
    },
  });
  const forget = onStopSignals(
    env,
    (why) => {
      say(`stopping (${why}); once more kills at once`);
      over.abort();
    },
    () => {
      exitCode = 130;
      children.kill();
    },
  );
  let redis: OwnRedis | undefined;
  const killAll = () => children.kill();
  process.once('exit', killAll);

  try {
    const port = await choosePort(config, abandoned);
    const [own, model] = await Promise.all([openRedis(config, env, over.signal), defaultModel(config)]);
    redis = own;
    if (redis) children.start({ name: 'redis', spawn: redis.spawn, lastWords: redis.lastWords, last: true });
    const childEnv = {
      ...env,
      ...model.env,
      REDIS_URL: redis?.url ?? config.REDIS_URL,
      PORT: String(port),
      HOST: config.HOST,
      DATA_DIR: config.DATA_DIR,
      // What Node has compiled once it need not compile at the next start.
      NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE ?? join(config.DATA_DIR, 'compile-cache'),
    };
    const start = (name: string, args: string[]) => children.start(program(name, args, childEnv, logs));
    if (!over.signal.aborted) {
      start('api', programs.api);
      for (let number = 1; number <= runners; number++) start(`runner-${number}`, programs.runner);
      start('relay', programs.relay);
    }
    const url = `http://${reachableHost(config.HOST)}:${port}`;
    if (await waitUntilReady(url, over.signal, say)) {
      const ms = performance.now() - startedAt;
      const keyed = await needsKey(url, over.signal).catch(() => false);
      const facts = { url, config, catalog, model: model.line, runners, ownRedisPort: redis?.port, keyed, ms };
      process.stdout.write(welcome(facts));
    }
    if (!over.signal.aborted) await new Promise((resolve) => over.signal.addEventListener('abort', resolve));
  } catch (error) {
    if (!over.signal.aborted) exitCode = complain(error);
  }
  await children.stop();
  await redis?.end();
  // The last words of a child may arrive after its exit.
  await Promise.race([Promise.all(logs), delay(LAST_WORDS_MS)]);
  forget();
  process.off('exit', killAll);
  return exitCode;
}

/** Runs beanline until it is told to stop; resolves with the exit code when all its children are gone. */
export async function runEmbedded(options: EmbeddedOptions): Promise<number> {
  // A terminal that went away must not end us before our children.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  let start: StartOptions;
  try {
    start = startOptions(options.argv, options.env);
  } catch (error) {
    return complain(error);
  }
  if (start.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  try {
    const catalog = await openCatalog(start.config);
    const held = holdDataDir(start.config.DATA_DIR, `process ${process.pid}, port ${start.config.PORT}`);
    const config = { ...start.config, DATA_DIR: held.path };
    const code = await runAll({ ...start, config, catalog }, options, held.abandoned);
    held.release();
    return code;
  } catch (error) {
    return complain(error);
  }
}
