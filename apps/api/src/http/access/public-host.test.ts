import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../../../scripts/start/free-port.ts';
import { startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { keyring, ownerClient } from '../../../../../scripts/testing/owners.ts';
import { ask, eventually } from '../../../../../scripts/testing/raw.ts';
import { INHERITED } from '../../../../../scripts/testing/system.ts';
import { type TestRedis, testRedis } from '../../../../../scripts/testing/test-redis.ts';

/** Not a loopback address by its looks, yet nobody else reaches it while the tests run. */
const HOST = '::ffff:127.0.0.1';
/** Whether its port answers would say nothing: it may be somebody else's by now. */
const LISTENS = /the API listens/;
const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url));

let redis: TestRedis;
before(async () => {
  redis = await testRedis();
});
after(() => redis.stop());

function startApi(port: number, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...INHERITED, REDIS_URL: redis.url, HOST, PORT: String(port), BEANLINE_PARENT: '1', ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { child, log: () => text, exit: once(child, 'exit') as Promise<[number | null, string | null]> };
}

test('without any key an API that others could reach does not listen, says why and ends with 78', async () => {
  const port = await freePort();
  const api = startApi(port);
  const [code] = await api.exit;
  assert.equal(code, 78);
  assert.match(api.log(), /HOST: ::ffff:127\.0\.0\.1 is not a loopback address/);
  assert.match(api.log(), /npm run keys -- create/);
  assert.doesNotMatch(api.log(), LISTENS);
});

test('while Redis is away it does not know of any key, so it does not listen', async () => {
  await redis.kill();
  const port = await freePort();
  const api = startApi(port);
  try {
    for (const until = performance.now() + 3_000; performance.now() < until; await delay(50)) {
      assert.doesNotMatch(api.log(), LISTENS);
    }
    assert.equal(api.child.exitCode, null);
    await redis.restart();
    assert.equal((await api.exit)[0], 78);
    assert.doesNotMatch(api.log(), LISTENS);
  } finally {
    api.child.kill('SIGKILL');
  }
});

test('with a key by configuration it listens and asks everybody for it', async () => {
  const system = await startInProcess({
    redis,
    runners: 0,
    relays: 0,
    env: { HOST, API_KEYS: 'anna:anna-key-0123456789' },
  });
  try {
    assert.equal((await ask(`${system.url}/tasks`)).status, 401);
    assert.equal((await ownerClient(system.url, 'anna-key-0123456789').get('/tasks')).status, 200);
  } finally {
    await system.stop();
  }
});

test('with a key in Redis it listens, and never opens, not even when the last key is revoked', async () => {
  const keys = keyring(redis.url, 'keyed');
  const { token, id } = await keys.create('anna');
  const system = await startInProcess({ redis, runners: 0, relays: 0, env: { HOST, KEY_PREFIX: 'keyed' } });
  try {
    assert.equal((await ask(`${system.url}/tasks`)).status, 401);
    assert.equal((await ownerClient(system.url, token).get('/tasks')).status, 200);
    await keys.revoke(id);
    assert.equal(await keys.count(), 0);
    await eventually(
      () => ownerClient(system.url, token).get('/tasks'),
      ({ status }) => status === 401,
    );
    for (const until = performance.now() + 6_000; performance.now() < until; await delay(200)) {
      assert.equal((await ask(`${system.url}/tasks`)).status, 401);
    }
  } finally {
    keys.close();
    await system.stop();
  }
});
