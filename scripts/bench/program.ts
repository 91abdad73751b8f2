/** The processes of a bench: started with an IPC channel, ready at their first message, gone with the bench. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../start/free-port.ts';
import type { Settled } from './programs/settle.ts';

const START_MS = 20_000;
const KEPT_LOG_CHARACTERS = 10_000;

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** How a process of a bench is started. */
export type How = {
  /** `--cpu-prof <dir>` of the bench: every process leaves a profile there. */
  profileDir?: string | undefined;
  /** It can be asked to settle. */
  settles?: boolean;
  /** The checkout whose programs are started, when it is not this one. */
  root?: string | undefined;
};
const nodeArgs = ({ profileDir, settles }: How) => [
  ...(profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : []),
  ...(settles ? ['--expose-gc', '--import', path('programs/settle.ts')] : []),
];

/** For a load that no limit should stop. */
export const NO_LIMITS = { MAX_QUEUE_TASKS: '1000000', MAX_QUEUE_BYTES: '60000000000', MAX_OWNER_TASKS: '1000000' };

/** A moment in which a busy machine keeps Redis from answering is not to end a measurement with a 503. */
const PATIENT = { REDIS_TIMEOUT_MS: '3000' };

/** Ends a child and waits until it is gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(kill);
}

/** The next message of a child; rejects when it ends instead. */
async function nextMessage<Message>(child: ChildProcess, name: string): Promise<Message> {
  const listening = new AbortController();
  const { signal } = listening;
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => Promise.reject(new Error(`${name} ended`))),
    ]);
    return message as Message;
  } finally {
    listening.abort();
  }
}

/** One of the small programs in `programs/`. Its first message is the port it listens on, or that it is ready. */
export async function startBenchProgram(name: string, args: string[], how: How) {
  const child = fork(path(`programs/${name}.ts`), args, { execArgv: nodeArgs(how) });
  const next = <Answer>() => nextMessage<Answer>(child, `${name} of the bench`);
  const port = await next<number>();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    tell: (message: object | number | string) => void child.send(message),
    next,
    /** Sends a message and gives the answer. */
    ask<Answer>(message: object | number | string): Promise<Answer> {
      child.send(message);
      return next();
    },
    settle(): Promise<Settled> {
      child.send('settle');
      return next();
    },
    stop: () => end(child),
  };
}

export type BenchProgram = Awaited<ReturnType<typeof startBenchProgram>>;

/** A real program of beanline. It must say on its log that it is ready. */
async function startReal(main: string, ready: string, env: Record<string, string>, how: How) {
  const dataDir = await mkdtemp(join(tmpdir(), 'beanline-bench-'));
  const child = spawn(process.execPath, [...nodeArgs(how), join(how.root ?? path('../..'), main)], {
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, ...PATIENT, ...env, BEANLINE_PARENT: '1' },
    stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
  });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log = `${log}${text}`.slice(-KEPT_LOG_CHARACTERS);
  });
  for (const deadline = performance.now() + START_MS; !log.includes(ready); ) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${main} did not start:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    pid: child.pid ?? Number.NaN,
    settle(): Promise<Settled> {
      child.send('settle');
      return nextMessage(child, main);
    },
    /** Ends it as a crash would. */
    async kill(): Promise<void> {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
    async stop(): Promise<void> {
      await end(child);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The real API, listening. */
export async function startApi(env: Record<string, string>, how: How) {
  const port = await freePort();
  const main = 'apps/api/src/main.ts';
  const api = await startReal(main, 'redis is reachable', { ...env, PORT: String(port) }, how);
  return { ...api, port, url: `http://127.0.0.1:${port}` };
}

/** The real relay. */
export function startRelay(env: Record<string, string>, how: How) {
  return startReal('workers/relay/src/main.ts', 'the relay is ready', env, how);
}

/** A real runner, taking tasks. It is told its model, so that it asks no server for one. */
export function startRunner(env: Record<string, string>, how: How) {
  const main = 'workers/runner/src/main.ts';
  return startReal(main, 'the runner is ready', { DEFAULT_MODEL: 'openai/bench', ...env }, how);
}
