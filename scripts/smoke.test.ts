import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findRedisServer } from './testing/find-redis-server.ts';
import { eventually } from './testing/raw.ts';

const SMOKE = fileURLToPath(new URL('smoke.ts', import.meta.url));
const READY_MS = 60_000;
/** The programs of a killed start drain before they end. */
const LEFT_MS = 20_000;

// On a bare machine this installs it, which takes longer than the tests wait.
before(() => findRedisServer());

type Process = { pid: number; parent: number; command: string };

/** All processes that are no zombies. */
const processes = (): Process[] =>
  execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,command='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, stat = '', command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
      return pid && !stat.startsWith('Z') ? [{ pid: Number(pid), parent: Number(parent), command }] : [];
    });

function descendants(pid: number, all = processes()): Process[] {
  return all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...descendants(child.pid, all)]);
}

/** A smoke run that has everything up, and what belongs to it. */
async function running(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-smoke-test-'));
  const child = spawn(process.execPath, [SMOKE], { env: { ...process.env, TMPDIR: dir }, stdio: 'pipe' });
  const exited = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      output += bytes;
    });
  let family: Process[] = [];
  const left = () => {
    const now = processes();
    return family.filter(({ pid, command }) => now.some((it) => it.pid === pid && it.command === command));
  };
  t.after(async () => {
    for (const { pid } of left()) process.kill(pid, 'SIGKILL');
    if (child.exitCode === null) child.kill('SIGKILL');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  });
  for (const deadline = performance.now() + READY_MS; !output.includes('✓ npm start is ready'); await delay(10))
    if (performance.now() > deadline || child.exitCode !== null) assert.fail(output);
  // npm, start, Redis, API, two runners, relay.
  family = await eventually(
    async () => descendants(child.pid ?? 0),
    ({ length }) => length >= 7,
  );
  return {
    child,
    family,
    output: () => output,
    async endsWith(code: number) {
      assert.deepEqual(await exited, [code, null], output);
      const data = readdirSync(dir).filter((name) => name.startsWith('beanline-'));
      assert.deepEqual(data, [], 'its data is removed');
      const isRedis = ({ command }: Process) => command.includes(dir);
      assert.deepEqual(left().filter(isRedis), [], 'Redis is ended when smoke is');
      for (const deadline = performance.now() + LEFT_MS; left().length > 0; await delay(50))
        if (performance.now() > deadline) assert.deepEqual(left(), []);
    },
  };
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  test(`a smoke run that gets ${signal} leaves nothing`, async (t) => {
    const smoke = await running(t);
    smoke.child.kill(signal);
    await smoke.endsWith(code);
  });

test('a smoke run whose npm start is killed fails, says so and leaves nothing', async (t) => {
  const smoke = await running(t);
  const killed = smoke.family.filter(({ command }) => /npm start|scripts\/start\.ts/.test(command));
  assert.ok(killed.length >= 2, JSON.stringify(smoke.family));
  for (const { pid } of killed) process.kill(pid, 'SIGKILL');
  await smoke.endsWith(1);
  assert.match(smoke.output(), /✗ .*smoke: \d+ passed, 1 failed/s);
});
