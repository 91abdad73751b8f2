/** The processes of a bench: started with an IPC channel, ready at their first message, gone with the bench. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.ts';

const START_MS = 20_000;
const KEPT_LOG_CHARACTERS = 10_000;

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** `--cpu-prof <dir>` of the bench: every process started here leaves a profile there. */
export type Profile = { dir: string } | undefined;
const nodeArgs = (profile: Profile) => (profile ? ['--cpu-prof', `--cpu-prof-dir=${profile.dir}`] : []);

export type BenchProgram = Awaited<ReturnType<typeof startBenchProgram>>;

/** Ends a child and waits until it is gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(kill);
}

/** One of the small programs of this directory. `ask` sends it a message and gives its answer. */
export async function startBenchProgram(
  name: 'upstream' | 'proxy' | 'bare' | 'raw-add',
  args: string[],
  profile: Profile,
) {
  const child = fork(path(`${name}.ts`), args, { execArgv: nodeArgs(profile) });
  const answer = async () => {
    const [message] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the ${name} of the bench ended`))),
    ])) as [number];
    return message;
  };
  const port = await answer();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    ask(message: number): Promise<number> {
      child.send(message);
      return answer();
    },
    stop: () => end(child),
  };
}

/** A real program of beanline. It must say on its log that it is ready. */
async function startReal(main: string, ready: string, env: Record<string, string>, profile: Profile) {
  const child = spawn(process.execPath, [...nodeArgs(profile), path(main)], {
    env: { PATH: process.env.PATH, ...env, BEANLINE_PARENT: '1' },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = `${log}${text}`.slice(-KEPT_LOG_CHARACTERS);
  });
  for (const deadline = performance.now() + START_MS; !log.includes(ready); ) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${main} did not start:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { stop: () => end(child) };
}

/** The real API, listening. */
export async function startApi(env: Record<string, string>, profile: Profile) {
  const port = await freePort();
  const main = '../../apps/api/src/main.ts';
  const api = await startReal(main, 'redis is reachable', { ...env, PORT: String(port) }, profile);
  return { ...api, port, url: `http://127.0.0.1:${port}` };
}

/** A real runner, taking tasks. */
export function startRunner(env: Record<string, string>, profile: Profile) {
  return startReal('../../workers/runner/src/main.ts', 'the runner is ready', env, profile);
}
