/** The Redis of `npm start`: data and port stay in the data directory from one start to the next. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cannotListen, freePort } from './free-port.ts';
import { findRedisServer, startRedis, waitForRedis } from './redis-server.ts';

const END_WAIT_MS = 5_000;
const LOAD_WAIT_MS = 10 * 60_000;
const PORT_ATTEMPTS = 5;

type Remembered = { port: number; pid?: number | undefined };

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

/**
 * Starts a Redis in `<dataDir>/redis` and waits until it has loaded its data. `spawn` gives the running child first and
 * starts it again on later calls, same port and data. The data directory must be held by the caller.
 */
export async function ownRedis(
  dataDir: string,
  say: (line: string) => void,
  stopped: AbortSignal,
): Promise<{ port: number; url: string; spawn: () => ChildProcess }> {
  const binary = await findRedisServer();
  const dir = join(dataDir, 'redis');
  const file = join(dir, 'start.json');
  mkdirSync(dir, { recursive: true });

  let remembered: Remembered | undefined;
  try {
    remembered = JSON.parse(readFileSync(file, 'utf8')) as Remembered;
  } catch {
    // The first start here.
  }
  if (remembered?.pid && (await endLeftover(remembered.pid, dir)))
    say(`ended the Redis an earlier start has left behind (process ${remembered.pid})`);

  const spawn = (port: number) => {
    const child = startRedis({ binary, dir, port });
    writeFileSync(file, JSON.stringify({ port, pid: child.pid } satisfies Remembered));
    return child;
  };

  for (let attempt = 1; ; attempt++) {
    const wanted = attempt === 1 ? remembered?.port : undefined;
    const port = wanted && (await cannotListen(wanted)) === undefined ? wanted : await freePort();
    let first: ChildProcess | undefined = spawn(port);
    const abort = () => first?.kill('SIGKILL');
    stopped.addEventListener('abort', abort, { once: true });
    try {
      await waitForRedis(port, { child: first, timeoutMs: LOAD_WAIT_MS });
    } catch (error) {
      first.kill('SIGKILL');
      // Somebody else may have taken the port between the look and the start.
      const taken = (await cannotListen(port)) !== undefined;
      if (taken && attempt < PORT_ATTEMPTS && !stopped.aborted) continue;
      throw new Error(`${(error as Error).message}. Its log: ${join(dir, 'redis.log')}`, { cause: error });
    } finally {
      stopped.removeEventListener('abort', abort);
    }
    return {
      port,
      url: `redis://127.0.0.1:${port}`,
      spawn: () => {
        const child = first ?? spawn(port);
        first = undefined;
        return child;
      },
    };
  }
}
