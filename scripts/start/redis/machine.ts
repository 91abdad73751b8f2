/** What a machine offers to those who look for a Redis on it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Machine = {
  platform: NodeJS.Platform;
  /** Whether this process may install packages for everybody. */
  root: boolean;
  /** Where programs are looked for, in this order. */
  folders: string[];
  /** Where packages are unpacked by a user who may not install them. May be absent; its parent then is made. */
  packages: string;
};

const MORE_FOLDERS = [
  '/usr/bin',
  '/usr/sbin',
  '/bin',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
];

/** The machine and user of this process. */
export function thisMachine(): Machine {
  return {
    platform: process.platform,
    root: process.getuid?.() === 0,
    folders: [...new Set([...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...MORE_FOLDERS])],
    packages: fileURLToPath(new URL('../../../.data/redis-packages', import.meta.url)),
  };
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a program of this machine. */
export function findTool({ folders }: Machine, name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** The environment in which programs find each other where we find them. */
export const toolEnv = ({ folders }: Machine): NodeJS.ProcessEnv => ({ ...process.env, PATH: folders.join(delimiter) });

/**
 * Runs a program to its end and answers with its exit code, null when it could not be run or was killed. All its output
 * goes to standard error: standard output may be a test report.
 */
export async function runTool(
  machine: Machine,
  path: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<number | null> {
  const child = spawn(path, args, { stdio: ['ignore', 2, 2], env: { ...toolEnv(machine), ...env } });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  } catch {
    return null;
  }
}
