import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { makeApiKey } from '@beanline/shared/owner.ts';
import { createApiKeys } from '@beanline/shared/owners/api-keys.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { createClock } from '@beanline/shared/redis/clock.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { createKeys } from '@beanline/shared/redis/keys.ts';
import { Redis } from 'ioredis';
import { silentLog } from '../../../../../scripts/testing/task-redis.ts';
import { type TestRedis, testRedis } from '../../../../../scripts/testing/test-redis.ts';
import { HttpVariables } from '../variables.ts';
import { createAccess } from './access.ts';
import { recent } from './recent.ts';

let server: TestRedis;
before(async () => {
  server = await testRedis();
});
after(() => server.stop());

async function setup(t: { after(run: () => void): void }) {
  const redis = connect(parseRedisUrl(server.url), { name: 'test', for: 'worker', log: silentLog });
  const clock = createClock(redis, {
    keys: createKeys('bl'),
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
  const apiKeys = createApiKeys(redis, createKeys('bl'));
  await redis.config('RESETSTAT');
  return {
    apiKeys,
    access: createAccess({ apiKeys, clock, log: silentLog }, readConfig({}, HttpVariables)),
    async lookUps(): Promise<number> {
      return Number(/cmdstat_hget:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    },
  };
}

const isUnauthorized = (error: unknown) => error instanceof TaskError && error.code === 'unauthorized';

test('however many requests bring a key at once, Redis is asked once', async (t) => {
  const { access, apiKeys, lookUps } = await setup(t);
  const { token } = await apiKeys.create({ owner: 'anna', scopes: ['read'] });
  const callers = await Promise.all(Array.from({ length: 200 }, () => access.identify(`Bearer ${token}`)));
  assert.ok(callers.every(({ owner }) => owner === 'anna'));
  assert.equal(await lookUps(), 1);
});

test('a key that does not exist is asked for once in a while, and one that cannot exist never', async (t) => {
  const { access, lookUps } = await setup(t);
  const token = makeApiKey();
  for (let i = 0; i < 20; i++) await assert.rejects(access.identify(`Bearer ${token}`), isUnauthorized);
  assert.ok((await lookUps()) <= 2, 'twice if this took longer than an answer counts');
  for (const none of ['x', 'bl_', `${token}x`]) await assert.rejects(access.identify(`Bearer ${none}`), isUnauthorized);
  assert.ok((await lookUps()) <= 2);
});

test('what is remembered is bounded: the entries set longest ago go first', () => {
  const map = recent<number>(3);
  for (const name of ['a', 'b', 'c', 'a', 'd', 'e']) map.set(name, 1);
  assert.equal(map.size(), 3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].filter((name) => map.get(name) !== undefined),
    ['a', 'd', 'e'],
  );
  map.delete('d');
  assert.equal(map.size(), 2);
});
