/** Several servers behind TLS and passwords: a Cluster, and a master whose Sentinels speak TLS and want a login too. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { freePort } from '../start/free-port.ts';
import { waitForRedis } from '../start/redis/redis-server.ts';
import { type Certificates, noCertificates, testCertificates } from '../testing/certificates.ts';
import { visibleText } from '../testing/client.ts';
import { findRedisServer } from '../testing/find-redis-server.ts';
import { startProgram } from '../testing/system.ts';
import { testCluster } from '../testing/test-cluster.ts';
import { type TestRedis, testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkClean, followWhole, startFaults, words } from './checks.ts';

const skip = noCertificates;
const PASSWORD = 'canary-redis-password';
const SENTINEL_PASSWORD = 'canary-sentinel-password';
const USER = ['--user', 'beanline', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];

let certificates: Certificates;
before(async () => {
  if (!skip) certificates = await testCertificates();
});
after(() => certificates?.remove());

/** Runs a task over this Redis, and finds every connection of the programs logged in as the user of the URL. */
async function checkTask(t: TestContext, redis: TestRedis) {
  const system = await startFaults({ redis, env: { REDIS_CA_FILE: certificates.caFile } });
  t.after(system.stop);
  const task = await system.start([slowWords(10, 5)]);
  assert.equal(visibleText(await followWhole(system.url, task.id)), words(10));
  for (const list of await redis.everywhere('client', 'list')) {
    const clients = list.split('\n').filter((line) => line.includes('name=beanline-'));
    assert.ok(clients.length > 0);
    for (const client of clients) assert.match(client, /user=beanline /);
  }
  assert.doesNotMatch(system.logs(), /canary/);
  await checkClean(system);
}

test('a task runs on a Cluster over TLS, as the user of the URL', { skip }, async (t) => {
  const cluster = await testCluster({ tls: certificates, args: USER });
  t.after(cluster.stop);
  const url = cluster.url.replace('://', `://beanline:${PASSWORD}@`);
  assert.match(url, /^rediss:/);
  await checkTask(t, { ...cluster, url } as unknown as TestRedis);
});

/** A master and its one Sentinel. Both speak TLS, and the Sentinel names the master's port for it. */
async function guarded(t: TestContext) {
  const masterPort = await freePort();
  const redis = await testRedis({ args: [...certificates.args(masterPort), ...USER] });
  t.after(redis.stop);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: redis.dir,
    ...certificates.settings(tlsPort),
    'tls-replication': 'yes',
    user: `watch on >${SENTINEL_PASSWORD} +@all &* ~*`,
    'sentinel monitor': `main 127.0.0.1 ${masterPort} 1`,
  };
  const file = join(redis.dir, 'sentinel.conf');
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
  await writeFile(file, lines.join(''));
  const child = spawn(await findRedisServer(), [file, '--sentinel'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await waitForRedis(port, { child });
  const url = (login: string) =>
    `rediss+sentinel://beanline:${PASSWORD}@127.0.0.1:${tlsPort}/main?sentinel_username=watch&sentinel_password=${login}`;
  return { redis, url };
}

test('a task runs behind a Sentinel over TLS, with a login at the Sentinel and another at the master', {
  skip,
}, async (t) => {
  const { redis, url } = await guarded(t);
  await checkTask(t, { ...redis, url: url(SENTINEL_PASSWORD) });
});

test('Sentinels of another authority, or another password, are told in the log, and nothing starts', {
  skip,
}, async (t) => {
  const { url } = await guarded(t);
  for (const [login, REDIS_CA_FILE] of [
    [SENTINEL_PASSWORD, certificates.otherCaFile],
    ['canary-wrong', certificates.caFile],
  ] as const) {
    const program = startProgram('relay', { REDIS_URL: url(login), REDIS_CA_FILE });
    t.after(() => program.signal('SIGKILL'));
    await until('it says so', () => /redis cannot be reached/.test(program.log()));
    assert.doesNotMatch(program.log(), /canary|is ready/);
  }
});
