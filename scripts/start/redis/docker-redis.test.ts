import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { findRedisServer } from '../../testing/find-redis-server.ts';
import { redisCli } from '../../testing/test-redis.ts';
import { supervisor } from '../supervisor.ts';
import { containerName, findDocker } from './docker-redis.ts';
import type { Machine } from './machine.ts';
import { ownRedis } from './own-redis.ts';
import { waitForRedis } from './redis-server.ts';

let realServer = '';
before(async () => {
  realServer = await findRedisServer();
});

/**
 * A docker whose engine is this machine: `run` starts the real Redis with the folder as its volume and the published
 * port, in a process of its own that outlives a killed client as a container does, and ends when the client is told to.
 */
const docker = (state: string, more: string) => `#!/bin/sh
cd ${state}
echo "$*" >> calls
${more}
case "$1" in
context) echo unix:///var/run/docker.sock ;;
info) echo '28.2.2 [name=seccomp,profile=builtin]' ;;
ps) [ -e container ] && kill -0 "$(cat container)" 2>/dev/null && echo 0123456789ab ;;
stop | rm) [ -e container ] && kill "$(cat container)" 2>/dev/null
  while [ -e container ] && kill -0 "$(cat container)" 2>/dev/null; do sleep 0.02; done
  rm -f container ;;
run)
  while [ "$1" != --entrypoint ]; do
    case "$1" in
    --volume) volume=\${2%:/data} ;;
    --publish) port=\${2%:6379} port=\${port##*:} ;;
    esac
    shift
  done
  shift 3
  for arg; do
    shift
    case "$arg" in /data) arg=$volume ;; 6379) arg=$port ;; '*') arg=127.0.0.1 ;; esac
    set -- "$@" "$arg"
  done
  trap 'kill $! 2>/dev/null; wait; exit 0' TERM
  /bin/sh -c 'echo $$ > container; exec "$0" "$@"' ${realServer} "$@" >> redis.out 2>&1 &
  wait $! ;;
esac
`;

function setup(t: TestContext, more = '') {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-docker-'));
  const state = join(dir, 'engine');
  const bin = join(dir, 'bin');
  const data = join(dir, 'data');
  for (const path of [state, bin, data]) mkdirSync(path);
  writeFileSync(join(bin, 'docker'), docker(state, more), { mode: 0o755 });
  // `sleep`, `cat` and `rm` are the stand-in's own; the machine has no Redis.
  for (const name of ['sleep', 'cat', 'rm'])
    writeFileSync(join(bin, name), `#!/bin/sh\nexec /bin/${name} "$@"\n`, { mode: 0o755 });
  const machine: Machine = { platform: 'linux', root: false, folders: [bin], packages: join(dir, 'packages') };
  const pid = () => (existsSync(join(state, 'container')) ? Number(readFileSync(join(state, 'container'), 'utf8')) : 0);
  const programs: (() => ChildProcess)[] = [];
  t.after(async () => {
    for (const child of programs.map((program) => program())) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    for (; isAlive(pid()); await delay(10)) process.kill(pid(), 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  /** Ends what is started there before the directory is removed. */
  const atEnd = (program: () => ChildProcess) => programs.push(program);
  return { machine, data, pid, atEnd, calls: () => readFileSync(join(state, 'calls'), 'utf8').trim().split('\n') };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return pid > 0;
  } catch {
    return false;
  }
}

const passwordOf = (url: string) => decodeURIComponent(new URL(url).password);

test('without a server program Redis runs in Docker: bound to loopback, AOF in the data directory, files of this user', async (t) => {
  const { machine, data, pid, calls } = setup(t);
  const said: string[] = [];
  const redis = await ownRedis(data, (line) => said.push(line), t.signal, machine);
  const children = supervisor({ graceMs: 5_000, say: (line) => said.push(line), onHopeless: () => {} });
  children.start({ name: 'redis', spawn: redis.spawn, last: true });
  assert.match(said[0] ?? '', /no Redis server program here, so it runs redis:7\S+ in Docker/);
  const run = calls().find((call) => call.startsWith('run ')) ?? '';
  const user = `${process.getuid?.()}:${process.getgid?.()}`;
  for (const part of [
    `--rm --name ${containerName(join(data, 'redis'))} `,
    `--volume ${join(data, 'redis')}:/data --user ${user} --publish 127.0.0.1:${redis.port}:6379 --entrypoint redis-server redis:7`,
    '--appendonly yes --appendfsync everysec',
    '--maxmemory-policy noeviction',
  ])
    assert.ok(run.includes(part), `${part} in ${run}`);

  const cli = (...args: string[]) => redisCli(redis.port, '-a', passwordOf(redis.url), '--no-auth-warning', ...args);
  await assert.rejects(redisCli(redis.port, 'ping'), /NOAUTH/, 'other containers reach it, so it has a password');
  const noted = join(data, 'redis', 'start.json');
  assert.equal(JSON.parse(readFileSync(noted, 'utf8')).password, passwordOf(redis.url));
  assert.equal(statSync(noted).mode & 0o077, 0, 'no other user reads it');
  assert.equal(await cli('set', 'task', 'accepted'), 'OK');
  const first = pid();
  await children.stop();
  await redis.end();
  assert.equal(isAlive(first), false, 'it ended with us');

  const second = await ownRedis(data, () => {}, t.signal, machine);
  assert.equal(second.port, redis.port);
  const answer = await redisCli(second.port, '-a', passwordOf(second.url), '--no-auth-warning', 'get', 'task');
  assert.equal(answer, 'accepted');
  // Its client is killed, as by an impatient Ctrl-C: the container goes on until it is ended.
  const child = second.spawn();
  const container = pid();
  child.kill('SIGKILL');
  assert.equal(isAlive(container), true);
  await second.end();
  assert.equal(isAlive(container), false);
});

test('a container that a killed start has left behind is ended before the next Redis opens its files', async (t) => {
  const { machine, data, pid, atEnd } = setup(t);
  const left = await ownRedis(data, () => {}, t.signal, machine);
  left.spawn().kill('SIGKILL');
  const container = pid();
  assert.equal(isAlive(container), true);
  const said: string[] = [];
  const folders = [...machine.folders, realServer.replace(/\/[^/]+$/, '')];
  const redis = await ownRedis(data, (line) => said.push(line), t.signal, { ...machine, folders });
  atEnd(redis.spawn);
  assert.equal(isAlive(container), false);
  assert.match(said.join('\n'), /ended the Redis an earlier start has left behind \(container beanline-/);
  await waitForRedis(redis.port);
});

test('an engine that does not answer, or is another machine, is a reason to be told', async (t) => {
  const silent = setup(t, 'case "$1" in info) exit 1;; esac');
  await assert.rejects(
    ownRedis(silent.data, () => {}, t.signal, silent.machine),
    /No Redis 7 server was found\. Docker is installed, but its engine doesn't answer\. Run: /,
  );
  const away = setup(t, 'case "$1" in context) echo tcp://10.0.0.1:2376; exit;; esac');
  await assert.rejects(
    ownRedis(away.data, () => {}, t.signal, away.machine),
    /Docker's engine is on another machine \(tcp:\/\/10\.0\.0\.1:2376\)/,
  );
});

test('under a rootless engine the container runs as its root, who is this user', async (t) => {
  const { machine } = setup(t, `case "$1" in info) echo '28.2.2 [name=seccomp name=rootless]'; exit;; esac`);
  assert.equal((await findDocker(machine)).docker?.user, '0:0');
});
