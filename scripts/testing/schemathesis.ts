/** The fuzzer: schemathesis, in a Python environment of its own in the user's cache, installed once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const VERSION = '4.32.5';
/** Of the Python that this version needs. */
const PYTHON = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';

/** Runs a program to its end; gives its exit code (null when there is no such program) and all it said. */
export async function runToEnd(
  command: string,
  args: string[],
  { env = {}, ...options }: { env?: Record<string, string>; signal?: AbortSignal; cwd?: string } = {},
) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  } catch (error) {
    return { code: null, output: String(error) };
  }
}

/** The path of `st`, or why there is none on this machine. */
export async function findSchemathesis(): Promise<{ path: string } | { reason: string }> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'beanline');
  const dir = join(cache, `schemathesis-${VERSION}`);
  const path = join(dir, 'bin', 'st');
  const whole = join(dir, 'installed');
  const isWhole = () =>
    access(whole).then(
      () => true,
      () => false,
    );
  if (await isWhole()) return { path };
  const python = await runToEnd('python3', ['-c', PYTHON]);
  if (python.code !== 0) return { reason: 'there is no Python 3.10 or newer with venv and pip' };
  await rm(dir, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', dir]],
    [join(dir, 'bin', 'python'), ['-m', 'pip', 'install', '-q', '--no-input', `schemathesis==${VERSION}`]],
  ];
  for (const [command, args] of steps) {
    const { code, output } = await runToEnd(command, args);
    if (code !== 0) return { reason: `it could not be installed: ${output.trim().split('\n').at(-1)}` };
  }
  await writeFile(whole, '');
  return { path };
}
