import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../shared/src/config.ts';
import { withRedis } from './keys-redis.ts';
import { holdDataDir } from './start/data-dir.ts';
import { freePort } from './start/free-port.ts';
import { findRedisServer } from './testing/find-redis-server.ts';
import { ownerClient } from './testing/owners.ts';
import { PATIENT } from './testing/patient.ts';
import { ask, eventually } from './testing/raw.ts';
import { INHERITED } from './testing/system.ts';
import { type TestRedis, testRedis } from './testing/test-redis.ts';

const KEYS = fileURLToPath(new URL('keys.ts', import.meta.url));
const START = fileURLToPath(new URL('start.ts', import.meta.url));

let redis: TestRedis;
let dataDir: string;
before(async () => {
  await findRedisServer();
  redis = await testRedis();
  dataDir = await mkdtemp(join(tmpdir(), 'beanline-keys-'));
});
after(async () => {
  await redis.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function keys(env: Record<string, string>, ...args: string[]) {
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const child = execFile(process.execPath, [KEYS, ...args], { env: { ...INHERITED, ...env } }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}
const withUrl = (...args: string[]) => keys({ REDIS_URL: redis.url }, ...args);
const rows = (out: string) =>
  out
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/ {2,}/));

test('create prints the key alone on standard output, once; list and Redis never show it', async () => {
  const made = await withUrl('create', 'anna', '--scopes', 'read,submit', '--expires', '30d', '--label', 'a phone');
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /^bl_[0-9A-Za-z]{32}\n$/);
  const listed = await withUrl('list');
  const [row] = rows(listed.out);
  assert.deepEqual([row?.[1], row?.[2], row?.[5]], ['anna', 'submit,read', 'a phone']);
  assert.equal(Math.round((Date.parse(row?.[4] ?? '') - Date.parse(row?.[3] ?? '')) / 86_400_000), 30);
  const stored = await redis.cli('HGETALL', 'bl:keys');
  for (const text of [listed.out, listed.err, made.err, stored]) assert.ok(!text.includes(made.out.trim().slice(3)));
  assert.ok(stored.startsWith(row?.[0] ?? '-'), 'the id is the beginning of the hash');

  const gone = await withUrl('revoke', row?.[0] ?? '');
  assert.deepEqual([gone.code, gone.out], [0, `Revoked ${row?.[0]} of anna.\n`]);
  assert.deepEqual(rows((await withUrl('list')).out), []);
  assert.equal((await withUrl('revoke', row?.[0] ?? '')).code, 2);
});

test('what makes no sense is refused and leaves no key', async () => {
  for (const args of [
    [],
    ['make', 'anna'],
    ['create'],
    ['create', 'a:b'],
    ['create', 'x'.repeat(65)],
    ['create', 'anna', 'ben'],
    ['create', 'anna', '--scopes', 'write'],
    ['create', 'anna', '--scopes', ''],
    ['create', 'anna', '--expires', '30'],
    ['create', 'anna', '--expires', '0d'],
    ['create', 'anna', '--color'],
    ['revoke'],
    ['revoke', '*'],
  ]) {
    const { code, out, err } = await withUrl(...args);
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.doesNotMatch(err, /\n {4}at /);
  }
  assert.equal(await redis.cli('EXISTS', 'bl:keys'), '0');
});

test('a Redis that does not answer is named, without its password', async () => {
  const url = `redis://anna:secret@127.0.0.1:1`;
  const { code, err } = await keys({ REDIS_URL: url }, 'list');
  assert.equal(code, 1);
  assert.match(err, /REDIS_URL: the Redis at 127\.0\.0\.1:1 cannot be used: connect ECONNREFUSED/);
  assert.doesNotMatch(err, /secret/);
  const frozen = await testRedis();
  frozen.pause();
  const silent = await keys({ REDIS_URL: frozen.url }, 'list').finally(frozen.stop);
  assert.deepEqual([silent.code, silent.err], [1, 'The Redis of REDIS_URL does not answer.\n']);
});

test('keys are made before the first npm start, and while it runs, and it tells that one is needed', async () => {
  const env = { ...PATIENT, DATA_DIR: dataDir, PORT: String(await freePort()) };
  const first = await keys(env, 'create', 'anna');
  assert.match(first.out, /^bl_/, first.err);
  const start = spawn(process.execPath, [START], {
    env: { ...INHERITED, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let said = '';
    await new Promise<void>((resolve, reject) => {
      start.once('close', () => reject(new Error(`npm start ended: ${said}`)));
      start.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('Ctrl-C stops')) resolve();
      });
    });
    assert.match(said, /curl -N \S+ -H "Authorization: Bearer \$KEY"/);
    const url = `http://127.0.0.1:${env.PORT}`;
    assert.equal((await ask(`${url}/tasks`)).status, 401);
    const second = await keys(env, 'create', 'ben');
    for (const { out } of [first, second]) {
      assert.equal((await ownerClient(url, out.trim()).get('/tasks')).status, 200);
    }
    assert.deepEqual(
      rows((await keys(env, 'list')).out).map(([, owner]) => owner),
      ['anna', 'ben'],
    );
  } finally {
    start.kill('SIGTERM');
    await once(start, 'exit');
  }
});

test('when the Redis it has started dies before the end, it ends all the same', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'beanline-keys-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await withRedis(readConfig({ DATA_DIR: dir }), {}, async () => {
    const { pid } = JSON.parse(await readFile(join(dir, 'redis', 'start.json'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    const isGone = async () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    };
    await eventually(isGone, Boolean);
  });
  holdDataDir(dir, 'the next').release();
});
