/** A real Redis for one test file: own port, own directory, ended with the process that asked for it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../start/free-port.ts';
import { startRedis, waitForRedis } from '../start/redis/redis-server.ts';
import { findRedisServer } from './find-redis-server.ts';

const run = promisify(execFile);
const PORT_ATTEMPTS = 5;

/** Reads until our end of its pipe closes, by whatever death; then ends Redis and removes its directory. */
const WATCHDOG = 'read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2"';

function watch(redis: ChildProcess, dir: string): void {
  const dog = spawn('/bin/sh', ['-c', WATCHDOG, 'test-redis-watchdog', String(redis.pid), dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  dog.unref();
  (dog.stdin as (NodeJS.WritableStream & { unref?(): void }) | null)?.unref?.();
  // The id of a dead Redis may become another process's.
  redis.once('exit', () => dog.kill('SIGKILL'));
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Runs one command with redis-cli on a port of this machine and answers with its output; an error reply rejects. */
export async function redisCli(port: number, ...args: string[]): Promise<string> {
  const server = await findRedisServer();
  const beside = ['redis-cli', 'valkey-cli'].map((name) => join(dirname(server), name)).find(existsSync);
  const { stdout } = await run(beside ?? 'redis-cli', ['-e', '-p', String(port), ...args]);
  return stdout.replace(/\n$/, '');
}

export type TestRedis = Awaited<ReturnType<typeof testRedis>>;

/** Starts a Redis on a free port in a temporary directory; DEBUG is allowed, `maxmemory` is such as `64mb`. */
export async function testRedis(options: { maxmemory?: string; args?: string[] } = {}) {
  const binary = await findRedisServer();
  const dir = await mkdtemp(join(tmpdir(), 'beanline-redis-'));
  let child: ChildProcess;
  let port = 0;

  async function start(): Promise<void> {
    child = startRedis({ binary, dir, port, debug: true, ...options });
    child.unref();
    watch(child, dir);
    try {
      await waitForRedis(port, { child });
    } catch (error) {
      const log = await readFile(join(dir, 'redis.log'), 'utf8').catch(() => '');
      throw new Error(`${(error as Error).message}\n${log.split('\n').slice(-10).join('\n')}`, { cause: error });
    }
  }

  for (let attempt = 1; ; attempt++) {
    port = await freePort();
    try {
      await start();
      break;
    } catch (error) {
      if (attempt < PORT_ATTEMPTS && /Address already in use/.test((error as Error).message)) continue;
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    dir,
    /** Ends it and removes its data. */
    async stop(): Promise<void> {
      await end(child, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
    /** Kills it as a crash would; its data stays for `restart`. */
    kill: (): Promise<void> => end(child, 'SIGKILL'),
    /** Starts it again on the same port with its data, ending it first when it runs. */
    async restart(): Promise<void> {
      child.kill('SIGCONT');
      await end(child, 'SIGTERM');
      await start();
    },
    /** Freezes it: connections stay open, nothing is answered. */
    pause(): void {
      child.kill('SIGSTOP');
    },
    resume(): void {
      child.kill('SIGCONT');
    },
    /** Runs one command with redis-cli and answers with its output; an error reply rejects. */
    cli: (...args: string[]): Promise<string> => redisCli(port, ...args),
    /** The same on every master there is; here the one. */
    everywhere: async (...args: string[]): Promise<string[]> => [await redisCli(port, ...args)],
  };
}
