/** The Redis of our own: finding or getting the server program, starting it with the settings beanline needs. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brewRedis } from './brew-redis.ts';

import { installRedis } from './install-redis.ts';
import { isProgram, type Machine } from './machine.ts';
import { unpackRedis } from './unpack-redis.ts';

const run = promisify(execFile);

const REDIS_MAJOR = 7;
const PROGRAMS = ['redis-server', 'valkey-server'];
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

async function majorVersion(binary: string): Promise<number> {
  const { stdout } = await run(binary, ['--version']).catch(() => ({ stdout: '' }));
  return Number(/\bv=?(\d+)\./.exec(stdout)?.[1] ?? 0);
}

async function installedServers({ folders, packages }: Machine): Promise<{ path: string; major: number }[]> {
  const places = [...folders, join(packages, 'bin')];
  const paths = PROGRAMS.flatMap((name) => places.map((folder) => join(folder, name))).filter(isProgram);
  return Promise.all(paths.map(async (path) => ({ path, major: await majorVersion(path) })));
}

/** A server program of a machine, or why there is none; `tooOld` when the system's own one would not do. */
export type FoundRedis = { path: string } | { path: undefined; reasons: string[]; tooOld: boolean };

/**
 * Looks for a Redis (or Valkey) server program of version 7 or newer. When there is none, tries to get it: the package of
 * Debian or Ubuntu, installed by root, unpacked by others; then Homebrew's.
 */
export async function lookForRedis(machine: Machine): Promise<FoundRedis> {
  const servers = await installedServers(machine);
  const isUsable = ({ major }: { major: number }) => major >= REDIS_MAJOR;
  const usable = servers.find(isUsable);
  if (usable) return usable;
  const old = servers[0];
  const reasons = [
    old
      ? `${old.path} is version ${old.major}, beanline needs Redis ${REDIS_MAJOR} or newer.`
      : `No Redis ${REDIS_MAJOR} server was found.`,
  ];
  for (const get of [installRedis, unpackRedis, brewRedis]) {
    const failure = await get(machine, REDIS_MAJOR);
    const got = (await installedServers(machine)).find(isUsable);
    if (got) return got;
    if (failure !== undefined) reasons.push(failure);
  }
  return { path: undefined, reasons, tooOld: reasons.some((reason) => / is version | is older than /.test(reason)) };
}

/** The settings of a Redis that keeps everything it has accepted (AOF, synced each second) and never evicts. */
export function redisArguments(options: Omit<RedisOptions, 'binary'> & { bind?: string; password?: string }): string[] {
  const settings: [string, string][] = [
    ['port', String(options.port)],
    ['bind', options.bind ?? '127.0.0.1'],
    ['protected-mode', 'yes'],
    ['daemonize', 'no'],
    ['dir', options.dir],
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    ['save', ''],
    ['maxmemory-policy', 'noeviction'],
    ['maxmemory', options.maxmemory ?? '0'],
    // Redis sets this much aside for each new stream, and every task has a log of its own: by default 4 kB of nothing.
    ['stream-node-max-bytes', '1024'],
    ['enable-debug-command', options.debug ? 'local' : 'no'],
    // Keeps our directory in its command line, by which a later start recognises it.
    ['set-proc-title', 'no'],
  ];
  if (options.password) settings.push(['requirepass', options.password]);
  return [...settings.flatMap(([name, value]) => [`--${name}`, value]), ...(options.args ?? [])];
}

/** Starts a Redis of these settings. */
export function startRedis(options: RedisOptions): ChildProcess {
  const log = openSync(join(options.dir, 'redis.log'), 'a');
  try {
    return spawn(options.binary, redisArguments(options), {
      cwd: options.dir,
      stdio: ['ignore', log, log],
      // Its own process group: Ctrl-C in the terminal is ours to handle, Redis ends after its clients.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

function ping(port: number, host: string, password: string | undefined): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host });
    let answer = '';
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PING_TIMEOUT_MS, finish);
    socket.on('connect', () => socket.write(`${password ? `AUTH ${password}\r\n` : ''}PING\r\n`));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
      if (answer.split('\r\n').length > (password ? 2 : 1)) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}

/** Resolves when the Redis on this port answers PING, its data loaded; rejects when `child` ends first or time is up. */
export async function waitForRedis(
  port: number,
  {
    child,
    timeoutMs = 30_000,
    host = '127.0.0.1',
    password,
  }: { child?: ChildProcess; timeoutMs?: number; host?: string; password?: string } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let failure: Error | undefined;
  child?.once('error', (error) => {
    failure = error;
  });
  for (;;) {
    const answer = await ping(port, host, password);
    const ended = child && (child.exitCode ?? child.signalCode);
    if (failure) throw new Error('Redis could not be started', { cause: failure });
    if (ended !== undefined && ended !== null) throw new Error(`Redis ended while starting (${ended})`);
    if (answer.endsWith('+PONG\r\n')) return;
    if (performance.now() > deadline)
      throw new Error(`Redis on port ${port} is not ready after ${timeoutMs} ms${answer && `: ${answer.trim()}`}`);
    await delay(PING_INTERVAL_MS);
  }
}
