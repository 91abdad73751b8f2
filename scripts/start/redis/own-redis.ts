/** The Redis of `npm start`: data and port stay in the data directory from one start to the next. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cannotListen, freePort } from '../free-port.ts';
import { containerName, endContainer, findDocker, startDockerRedis } from './docker-redis.ts';
import { howToGetRedis, REDIS_IMAGE } from './how-to-get-redis.ts';
import { type Machine, thisMachine } from './machine.ts';
import { lookForRedis, startRedis, waitForRedis } from './redis-server.ts';

const END_WAIT_MS = 5_000;
const LOAD_WAIT_MS = 10 * 60_000;
const PORT_ATTEMPTS = 5;
const LOG_LINES = 10;

/** In `start.json`, for later starts and for whoever wants to reach the Redis of a running one. */
type Remembered = {
  port: number;
  password?: string | undefined;
  pid?: number | undefined;
  container?: string | undefined;
};

/** A Redis of this machine that can be started, with data in one directory. */
type Source = { start(port: number): ChildProcess; password?: string; container?: string };

function commandLine(pid: number): string {
  try {
    if (existsSync('/proc/self')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

/** Ends the Redis that a killed start has left behind, if the process of that id still is one of this directory. */
async function endLeftover(pid: number, dir: string): Promise<boolean> {
  const isOurs = () => commandLine(pid).includes(` --dir ${dir} `);
  if (!isOurs()) return false;
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    // A stopped process would not see the SIGTERM.
    signal(pid, 'SIGCONT');
    signal(pid, name);
    for (const deadline = performance.now() + END_WAIT_MS; performance.now() < deadline; await delay(10))
      if (!isOurs()) return true;
  }
  throw new Error(`The Redis of an earlier start (process ${pid}) does not end.`);
}

const fileIn = (dir: string) => join(dir, 'start.json');

function remember(dir: string): Remembered | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dir), 'utf8')) as Remembered;
  } catch {
    // The first start here.
    return undefined;
  }
}

/** Ends the Redis that a killed `npm start` has left behind with this data directory, which nobody else may hold. @internal */
export async function endRedisOf(
  dataDir: string,
  say: (line: string) => void = () => undefined,
  machine = thisMachine(),
): Promise<void> {
  const dir = join(dataDir, 'redis');
  const { pid, container } = remember(dir) ?? {};
  if (pid && (await endLeftover(pid, dir))) say(`ended the Redis an earlier start has left behind (process ${pid})`);
  if (container && (await endContainer(machine, container)))
    say(`ended the Redis an earlier start has left behind (container ${container})`);
}

async function findSource(machine: Machine, dir: string, say: (line: string) => void): Promise<Source> {
  const found = await lookForRedis(machine);
  const { path } = found;
  if (path !== undefined) return { start: (port) => startRedis({ binary: path, dir, port }) };
  const { docker, reason } = await findDocker(machine);
  if (!docker) throw howToGetRedis(machine, reason ? [...found.reasons, reason] : found.reasons, found.tooOld);
  say(`there is no Redis server program here, so it runs ${REDIS_IMAGE} in Docker; the first time takes a download`);
  const password = randomUUID();
  const start = (port: number) => startDockerRedis(docker, { dir, port, password });
  return { start, password, container: containerName(dir) };
}

export type OwnRedis = {
  port: number;
  url: string;
  /** Gives the running child first and starts it again on later calls, same port and data. */
  spawn: () => ChildProcess;
  /** The last lines of its log, oldest first. */
  lastWords: () => Promise<string[]>;
  /** Ends what may outlive the child. */
  end: () => Promise<void>;
};

/**
 * Starts a Redis in `<dataDir>/redis` and waits until it has loaded its data. The data directory must be held by the
 * caller.
 */
export async function ownRedis(
  dataDir: string,
  say: (line: string) => void,
  stopped: AbortSignal,
  machine = thisMachine(),
): Promise<OwnRedis> {
  const dir = join(dataDir, 'redis');
  const file = fileIn(dir);
  const logFile = join(dir, 'redis.log');
  mkdirSync(dir, { recursive: true });

  await endRedisOf(dataDir, say, machine);
  const lastPort = remember(dir)?.port;
  const { start, password, container } = await findSource(machine, dir, say);
  const spawn = (port: number) => {
    const child = start(port);
    rmSync(file, { force: true });
    const now: Remembered = { port, password, pid: child.pid, container };
    writeFileSync(file, JSON.stringify(now), { mode: 0o600 });
    return child;
  };
  /** A container goes on when its child was killed. */
  const end = async () => {
    if (container) await endContainer(machine, container);
  };

  for (let attempt = 1; ; attempt++) {
    const wanted = attempt === 1 ? lastPort : undefined;
    const port = wanted && (await cannotListen(wanted)) === undefined ? wanted : await freePort();
    let first: ChildProcess | undefined = spawn(port);
    const abort = () => first?.kill('SIGKILL');
    stopped.addEventListener('abort', abort, { once: true });
    try {
      await waitForRedis(port, { child: first, timeoutMs: LOAD_WAIT_MS, ...(password ? { password } : {}) });
    } catch (error) {
      first.kill('SIGKILL');
      await end();
      // Somebody else may have taken the port between the look and the start.
      const taken = (await cannotListen(port)) !== undefined;
      if (taken && attempt < PORT_ATTEMPTS && !stopped.aborted) continue;
      throw new Error(`${(error as Error).message}. Its log: ${logFile}`, { cause: error });
    } finally {
      stopped.removeEventListener('abort', abort);
    }
    return {
      port,
      url: `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`,
      spawn: () => {
        const child = first ?? spawn(port);
        first = undefined;
        return child;
      },
      lastWords: async () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES),
      end,
    };
  }
}
