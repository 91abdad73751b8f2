import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { hashApiKey } from '@beanline/shared/owner.ts';
import { createApiKeys } from '@beanline/shared/owners/api-keys.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { createClock } from '@beanline/shared/redis/clock.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { createKeys } from '@beanline/shared/redis/keys.ts';
import { Redis } from 'ioredis';
import { flakyNetwork } from '../../../../scripts/testing/flaky-network.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { silentLog } from '../../../../scripts/testing/task-redis.ts';
import { type TestRedis, testRedis } from '../../../../scripts/testing/test-redis.ts';
import { createAccess } from './access/access.ts';
import { createByteBudget } from './memory/byte-budget.ts';
import { createStreams } from './streams.ts';
import { HttpVariables } from './variables.ts';

const KEYS = 300;
/** Each way to Redis: one key after the other would take 15 s. */
const DELAY_MS = 25;

let server: TestRedis;
let network: Awaited<ReturnType<typeof flakyNetwork>>;
before(async () => {
  server = await testRedis();
  network = await flakyNetwork(server, { delayMs: DELAY_MS });
});
after(async () => {
  await network.stop();
  await server.stop();
});

test('when hundreds of keys that stream are revoked, each stream ends within 5 s, though Redis is far away', async (t) => {
  const redis = connect(parseRedisUrl(network.redis.url), { name: 'test', for: 'worker', log: silentLog });
  const keys = createKeys('bl');
  const clock = createClock(redis, {
    keys,
    partitions: 1,
    log: silentLog,
    timeoutMs: 3_000,
    admit: async () => undefined,
  });
  t.after(() => {
    clock.stop();
    redis.disconnect();
  });
  await clock.ready();
  assert.ok(redis instanceof Redis);
  const apiKeys = createApiKeys(redis, keys);
  const config = readConfig({}, HttpVariables);
  const access = createAccess({ apiKeys, clock, log: silentLog }, config);
  const streams = createStreams({ log: silentLog }, access, config, createByteBudget({ owner: 1, all: 1 }));

  const made = await Promise.all(
    Array.from({ length: KEYS + 1 }, (_, index) => apiKeys.create({ owner: `owner-${index}`, scopes: ['read'] })),
  );
  const hashes = made.map(({ token }) => hashApiKey(token));
  const [stays, ...revoked] = hashes.map(
    (hash, index) => streams.open({ owner: `owner-${index}`, scopes: ['read'], hash }).revoked,
  );
  const ends = revoked.map((signal) => {
    assert.ok(signal);
    return once(signal, 'abort');
  });
  const machine = watchMachine(t);
  const startedAt = performance.now();
  await server.cli('HDEL', keys.apiKeys, ...hashes.slice(1));
  await Promise.all(ends);
  const tookMs = performance.now() - startedAt;
  const lateMs = machine.stop();
  t.diagnostic(`${Math.round(tookMs)} ms, of which ${lateMs} the machine's`);
  assert.ok(tookMs < 5_000 + lateMs, `after ${tookMs} ms, of which ${lateMs} the machine's`);
  assert.equal(stays?.aborted, false);
});
