/** The Redis of our own: finding or getting the server program, starting it with the settings beanline needs. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { installRedis } from './install-redis.ts';

const run = promisify(execFile);

const REDIS_MAJOR = 7;
const PROGRAMS = ['redis-server', 'valkey-server'];
const MORE_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/opt/homebrew/bin'];
const PING_TIMEOUT_MS = 500;
const PING_INTERVAL_MS = 20;

/** What can be chosen about a Redis of our own; the rest is what BullMQ and the task scripts need. */
export type RedisOptions = {
  binary: string;
  /** Holds its append-only files and its log, `redis.log`. Must exist. */
  dir: string;
  port: number;
  /** Such as `256mb`; without it there is no limit. */
  maxmemory?: string | undefined;
  /** Allows DEBUG from this machine, for tests. */
  debug?: boolean | undefined;
  /** Further arguments of the server, for tests. */
  args?: string[] | undefined;
};

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function majorVersion(binary: string): Promise<number> {
  const { stdout } = await run(binary, ['--version']).catch(() => ({ stdout: '' }));
  return Number(/\bv=?(\d+)\./.exec(stdout)?.[1] ?? 0);
}

async function installedServers(): Promise<{ path: string; major: number }[]> {
  const folders = new Set([...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...MORE_FOLDERS]);
  const paths = PROGRAMS.flatMap((name) => [...folders].map((folder) => join(folder, name))).filter(isProgram);
  return Promise.all(paths.map(async (path) => ({ path, major: await majorVersion(path) })));
}

function howToGet(why: string): Error {
  const command =
    process.platform === 'darwin'
      ? 'brew install redis'
      : existsSync('/usr/bin/apt-get')
        ? 'sudo apt-get install redis-server'
        : existsSync('/usr/bin/dnf')
          ? 'sudo dnf install valkey'
          : existsSync('/sbin/apk')
            ? 'sudo apk add redis'
            : 'docker run -d -p 6379:6379 redis:7 --appendonly yes --maxmemory-policy noeviction';
  const then = command.startsWith('docker') ? ', and set REDIS_URL=redis://127.0.0.1:6379' : '';
  return new Error(`${why} Run: ${command}${then}. Or set REDIS_URL to a Redis you have.`);
}

/**
 * The path of a Redis (or Valkey) server program of version 7 or newer. Installs Debian's or Ubuntu's package when there
 * is none and this is root; otherwise throws with the one command to run.
 */
export async function findRedisServer(): Promise<string> {
  const before = await installedServers();
  const usable = before.find(({ major }) => major >= REDIS_MAJOR);
  if (usable) return usable.path;
  const old = before[0];
  if (old) throw howToGet(`${old.path} is version ${old.major}, beanline needs Redis ${REDIS_MAJOR} or newer.`);
  const failure = await installRedis(REDIS_MAJOR);
  const installed = (await installedServers()).find(({ major }) => major >= REDIS_MAJOR);
  if (installed) return installed.path;
  throw howToGet(failure ?? `No Redis ${REDIS_MAJOR} server was found.`);
}

/** Starts a Redis that keeps everything it has accepted (AOF, synced each second) and never evicts. */
export function startRedis(options: RedisOptions): ChildProcess {
  const settings: [string, string][] = [
    ['port', String(options.port)],
    ['bind', '127.0.0.1'],
    ['protected-mode', 'yes'],
    ['daemonize', 'no'],
    ['dir', options.dir],
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['maxmemory', options.maxmemory ?? '0'],
    ['enable-debug-command', options.debug ? 'local' : 'no'],
    // Keeps our directory in its command line, by which a later start recognises it.
    ['set-proc-title', 'no'],
  ];
  const args = settings.flatMap(([name, value]) => [`--${name}`, value]);
  const log = openSync(join(options.dir, 'redis.log'), 'a');
  try {
    return spawn(options.binary, [...args, ...(options.args ?? [])], {
      cwd: options.dir,
      stdio: ['ignore', log, log],
      // Its own process group: Ctrl-C in the terminal is ours to handle, Redis ends after its clients.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

function ping(port: number, host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host });
    let answer = '';
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PING_TIMEOUT_MS, finish);
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
      if (answer.includes('\r\n')) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}

/** Resolves when the Redis on this port answers PING, its data loaded; rejects when `child` ends first or time is up. */
export async function waitForRedis(
  port: number,
  { child, timeoutMs = 30_000, host = '127.0.0.1' }: { child?: ChildProcess; timeoutMs?: number; host?: string } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let failure: Error | undefined;
  child?.once('error', (error) => {
    failure = error;
  });
  for (;;) {
    const answer = await ping(port, host);
    const ended = child && (child.exitCode ?? child.signalCode);
    if (failure) throw new Error('Redis could not be started', { cause: failure });
    if (ended !== undefined && ended !== null) throw new Error(`Redis ended while starting (${ended})`);
    if (answer.startsWith('+PONG')) return;
    if (performance.now() > deadline)
      throw new Error(`Redis on port ${port} is not ready after ${timeoutMs} ms${answer && `: ${answer.trim()}`}`);
    await delay(PING_INTERVAL_MS);
  }
}
