/** Redis behind TLS and a password, with a certificate authority of one's own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freePort } from '../start/free-port.ts';
import { type Certificates, noCertificates, testCertificates } from '../testing/certificates.ts';
import { visibleText } from '../testing/client.ts';
import { startProgram } from '../testing/system.ts';
import { type TestRedis, testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkClean, followWhole, startFaults, words } from './checks.ts';

const skip = noCertificates;
const LOGIN = 'beanline:canary-redis-password';
const USER = ['--user', 'beanline', 'on', `>${LOGIN.split(':')[1]}`, '~*', '&*', '+@all'];

let redis: TestRedis;
let certificates: Certificates;
let host = '';

before(async () => {
  if (skip) return;
  certificates = await testCertificates();
  const port = await freePort();
  redis = await testRedis({ args: [...certificates.args(port), ...USER] });
  host = `127.0.0.1:${port}`;
});
after(async () => {
  await redis?.stop();
  await certificates?.remove();
});

test('a task runs over TLS, as the user of the URL', { skip }, async (t) => {
  const system = await startFaults({
    redis: { ...redis, url: `rediss://${LOGIN}@${host}` },
    env: { REDIS_CA_FILE: certificates.caFile },
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
  ['a certificate of somebody else', () => `rediss://${LOGIN}@${host}`, () => certificates.otherCaFile, /certificate/],
  ['a wrong password', () => `rediss://beanline:canary-wrong@${host}`, () => certificates.caFile, /WRONGPASS/],
] as const;
for (const [what, url, ca, why] of refused) {
  test(`${what} is told in the log, once, without the password, and nothing starts`, { skip }, async (t) => {
    const program = startProgram('relay', { REDIS_URL: url(), REDIS_CA_FILE: ca() });
    t.after(() => program.signal('SIGKILL'));
    await until('it says why', () => /redis cannot be reached/.test(program.log()));
    const before = await connections();
    await until('it has tried a few times more', async () => (await connections()) > before + 8);
    assert.match(program.log(), why);
    assert.equal(program.log().match(why)?.length, 1);
    assert.doesNotMatch(program.log(), /canary|is ready/);
  });
}
