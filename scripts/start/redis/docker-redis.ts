/** A Redis in a container, for a machine that has Docker and no Redis. Its data stays in the data directory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REDIS_IMAGE } from './how-to-get-redis.ts';
import { findTool, type Machine, toolEnv } from './machine.ts';
import { redisArguments } from './redis-server.ts';

const run = promisify(execFile);

const ASK_TIMEOUT_MS = 10_000;
const END_TIMEOUT_MS = 30_000;

/** `$1`: docker, `$2`: the container's name. A container of that name is one that a killed start has left behind. */
const REPLACE = '"$1" rm --force "$2" >/dev/null 2>&1; shift 2; exec "$0" "$@"';

export type Docker = {
  path: string;
  env: NodeJS.ProcessEnv;
  /** Whom the container runs as, so that its files in the data directory belong to this user. */
  user: string;
};

/** Docker when its engine answers and is on this machine, else the reason why not; no reason when there is none at all. */
export async function findDocker(machine: Machine): Promise<{ docker?: Docker; reason?: string }> {
  const path = findTool(machine, 'docker');
  if (!path) return {};
  const env = toolEnv(machine);
  const ask = async (...args: string[]) => (await run(path, args, { env, timeout: ASK_TIMEOUT_MS })).stdout.trim();
  try {
    // The data directory and the loopback port are of this machine, so the engine has to be too.
    const host = await ask('context', 'inspect', '--format', '{{.Endpoints.docker.Host}}');
    if (!/^(unix|npipe):/.test(host)) return { reason: `Docker's engine is on another machine (${host}).` };
    const security = await ask('info', '--format', '{{.ServerVersion}} {{.SecurityOptions}}');
    if (!/^\d/.test(security)) return { reason: "Docker is installed, but its engine doesn't answer." };
    // Under a rootless engine the container's root is this user.
    const user = security.includes('rootless') ? '0:0' : `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
    return { docker: { path, env, user } };
  } catch {
    return { reason: "Docker is installed, but its engine doesn't answer." };
  }
}

/** The name of the container of a data directory; one directory has one. */
export function containerName(dir: string): string {
  return `beanline-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
}

/** Ends a container; whether there was one. */
export async function endContainer(machine: Machine, name: string): Promise<boolean> {
  const docker = findTool(machine, 'docker');
  if (!docker) return false;
  const options = { env: toolEnv(machine), timeout: END_TIMEOUT_MS };
  const found = await run(docker, ['ps', '--quiet', '--filter', `name=^${name}$`], options).catch(() => undefined);
  if (!found?.stdout.trim()) return false;
  await run(docker, ['stop', name], options).catch(() => undefined);
  return true;
}

/**
 * Runs Redis in a container that lives as long as the child. Its port is bound to loopback; other containers may reach it
 * all the same, hence the password.
 */
export function startDockerRedis(
  { path, env, user }: Docker,
  { dir, port, password }: { dir: string; port: number; password: string },
): ChildProcess {
  const name = containerName(dir);
  const settings = redisArguments({ dir: '/data', port: 6379, bind: '*', password });
  const mount = ['--volume', `${dir}:/data`, '--user', user, '--publish', `127.0.0.1:${port}:6379`];
  const container = ['run', '--rm', '--name', name, ...mount, '--entrypoint', 'redis-server', REDIS_IMAGE, ...settings];
  const log = openSync(join(dir, 'redis.log'), 'a');
  try {
    // The program after -c is $0: docker, twice, for the removal and for the run.
    return spawn('/bin/sh', ['-c', REPLACE, path, path, name, ...container], {
      env,
      stdio: ['ignore', log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}
