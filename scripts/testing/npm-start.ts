/** `npm start` as a user runs it, in a data directory of its own, of which nothing is left in the end. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../start/free-port.ts';
import { endRedisOf } from '../start/redis/own-redis.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const READY_MS = 60_000;
const STOP_MS = 10_000;
const KILLED_MS = 2_000;
/** The programs of a killed start drain before they end. */
const LEFT_MS = 20_000;

const groupIsAlive = (pid: number) => {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function isGone(pid: number, timeoutMs: number): Promise<boolean> {
  for (const deadline = performance.now() + timeoutMs; groupIsAlive(pid); await delay(20))
    if (performance.now() > deadline) return false;
  return true;
}

/** Nothing is started yet; `name` is part of that of the directory, `env` goes before the environment of this process. */
export async function npmStart(name: string, env: NodeJS.ProcessEnv = {}) {
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), `beanline-${name}-`)));
  const port = await freePort();
  let child: ChildProcess | undefined;
  /** Its output is its programs' too: it is closed when the last of them has ended. */
  let closed: Promise<unknown> = Promise.resolve();
  let output = '';
  let ending: Promise<void> | undefined;

  async function end(): Promise<void> {
    const pid = child?.pid;
    if (pid && groupIsAlive(pid)) {
      // In order first: only npm start knows the programs it has started, which are in groups of their own.
      process.kill(-pid, 'SIGTERM');
      if (!(await isGone(pid, STOP_MS))) {
        process.kill(-pid, 'SIGKILL');
        await isGone(pid, KILLED_MS);
      }
    }
    // The programs of a killed start end by themselves, and write until then; its Redis does not.
    await Promise.race([closed, delay(LEFT_MS, undefined, { ref: false })]);
    await endRedisOf(dataDir);
    await rm(dataDir, { recursive: true, force: true });
  }

  return {
    url: `http://127.0.0.1:${port}`,
    /** Where it keeps its state. */
    dataDir,
    /** What it has said since it was started last. */
    output: () => output,
    /** Starts it; gives how long it took until it said that it is ready. */
    async start(): Promise<number> {
      assert.ok(!ending, 'it has been ended');
      const startedAt = performance.now();
      output = '';
      const started = spawn('npm', ['start', '--', '--runners', '2'], {
        cwd: ROOT,
        // Whatever models there are: the answer is checked word for word. Whatever MongoDB: all it keeps is in its folder.
        env: {
          ...process.env,
          MONGODB_URI: undefined,
          DEFAULT_MODEL: 'builtin/extract',
          PORT: String(port),
          DATA_DIR: dataDir,
          ...env,
        },
        // A terminal's foreground group: Ctrl-C goes to all of it.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      let over = false;
      const end = () => {
        over = true;
      };
      started.once('exit', end);
      closed = once(started, 'close').catch((error) => {
        output += error.message;
        end();
      });
      for (const stream of [started.stdout, started.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      }
      while (!output.includes('beanline is ready')) {
        assert.ok(!over, `npm start ended:\n${output}`);
        assert.ok(performance.now() - startedAt < READY_MS, `npm start is not ready:\n${output}`);
        await delay(20);
      }
      return performance.now() - startedAt;
    },
    /** Ctrl-C; gives how long it took until nothing of it was left. */
    async stop(): Promise<number> {
      const startedAt = performance.now();
      const pid = child?.pid;
      assert.ok(pid && groupIsAlive(pid), `npm start ended before it was told to:\n${output}`);
      process.kill(-pid, 'SIGINT');
      assert.ok(await isGone(pid, STOP_MS), `something is left 10 s after Ctrl-C:\n${output}`);
      await closed;
      return performance.now() - startedAt;
    },
    /** Ends whatever runs, in order if it can be, and removes the data. Repeated calls share one end. */
    endAll(): Promise<void> {
      ending ??= end();
      return ending;
    },
  };
}

/** How long npm takes to run a script of nothing, after another such one before it, as `npm start` has one. */
export async function bareNpmMs(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'beanline-bare-'));
  try {
    const nothing = 'node -e 0';
    await writeFile(join(dir, 'package.json'), JSON.stringify({ scripts: { prestart: nothing, start: nothing } }));
    const startedAt = performance.now();
    const [code] = await once(spawn('npm', ['start'], { cwd: dir, stdio: 'ignore' }), 'exit');
    assert.equal(code, 0);
    return performance.now() - startedAt;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
