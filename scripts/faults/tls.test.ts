/** Redis behind TLS and a password, with a certificate authority of one's own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import { type TestRedis, testRedis } from '../test-redis.ts';
import { visibleText } from '../testing/client.ts';
import { startProgram } from '../testing/system.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkClean, followWhole, startFaults, until, words } from './checks.ts';

const run = promisify(execFile);
const hasOpenssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
);
const skip = hasOpenssl ? false : 'SKIPPED: there is no openssl to make certificates with';
const LOGIN = 'beanline:canary-redis-password';

let redis: TestRedis;
let dir = '';
let host = '';

async function makeCertificates() {
  const at = (name: string) => join(dir, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  for (const name of ['ca', 'other-ca'])
    await run('openssl', [
      'req',
      '-x509',
      ...key,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
    ]);
  await run('openssl', [
    'req',
    ...key.slice(0, -2),
    '-subj',
    '/CN=redis',
    '-keyout',
    at('redis.key'),
    '-out',
    at('redis.csr'),
  ]);
  await writeFile(at('names'), 'subjectAltName=IP:127.0.0.1\n');
  const signed = [
    '-CA',
    at('ca.crt'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    at('names'),
  ];
  await run('openssl', ['x509', '-req', '-in', at('redis.csr'), ...signed, '-out', at('redis.crt')]);
}

before(async () => {
  if (skip) return;
  dir = await mkdtemp(join(tmpdir(), 'beanline-tls-'));
  await makeCertificates();
  const port = await freePort();
  const files = ['--tls-cert-file', 'redis.crt', '--tls-key-file', 'redis.key', '--tls-ca-cert-file', 'ca.crt'];
  redis = await testRedis({
    args: [
      ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
      ...files.map((name) => (name.includes('.') ? join(dir, name) : name)),
      ...['--user', 'beanline', 'on', `>${LOGIN.split(':')[1]}`, '~*', '&*', '+@all'],
    ],
  });
  host = `127.0.0.1:${port}`;
});
after(async () => {
  await redis?.stop();
  if (dir) await rm(dir, { recursive: true, force: true });
});

test('a task runs over TLS, as the user of the URL', { skip }, async (t) => {
  const system = await startFaults({
    redis: { ...redis, url: `rediss://${LOGIN}@${host}` },
    env: { REDIS_CA_FILE: join(dir, 'ca.crt') },
  });
  t.after(system.stop);
  const task = await system.start([slowWords(10, 5)]);
  assert.equal(visibleText(await followWhole(system.url, task.id)), words(10));
  const clients = (await redis.cli('client', 'list')).split('\n').filter((line) => line.includes('name=beanline-'));
  assert.ok(clients.length > 0);
  for (const client of clients) assert.match(client, /user=beanline /);
  assert.doesNotMatch(system.logs(), /canary/);
  await checkClean(system);
});

const connections = async () => Number(/total_connections_received:(\d+)/.exec(await redis.cli('info', 'stats'))?.[1]);

const refused = [
  ['a certificate of somebody else', () => `rediss://${LOGIN}@${host}`, 'other-ca.crt', /certificate/],
  ['a wrong password', () => `rediss://beanline:canary-wrong@${host}`, 'ca.crt', /WRONGPASS/],
] as const;
for (const [what, url, ca, why] of refused) {
  test(`${what} is told in the log, once, without the password, and nothing starts`, { skip }, async (t) => {
    const program = startProgram('relay', { REDIS_URL: url(), REDIS_CA_FILE: join(dir, ca) });
    t.after(() => program.signal('SIGKILL'));
    await until('it says why', () => /redis cannot be reached/.test(program.log()));
    const before = await connections();
    await until('it has tried a few times more', async () => (await connections()) > before + 8);
    assert.match(program.log(), why);
    assert.equal(program.log().match(why)?.length, 1);
    assert.doesNotMatch(program.log(), /canary|is ready/);
  });
}
