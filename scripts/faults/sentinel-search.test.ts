/** Connections that are looking for their master at the very moment the Sentinels announce a new one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { silentLog } from '../testing/task-redis.ts';
import { testSentinel } from '../testing/test-sentinel.ts';
import { until } from '../testing/until.ts';

const CONNECTIONS = 20;

test('a connection that asks a frozen Sentinel when the others announce a new master finds it', async (t) => {
  const redis = await testSentinel();
  t.after(redis.stop);
  const address = parseRedisUrl(redis.url);
  const all = Array.from({ length: CONNECTIONS }, (_, index) => {
    const patience = index % 2 === 0 ? 'api' : 'worker';
    const connection = connect(address, { name: `${index}`, for: patience, log: silentLog });
    t.after(() => connection.disconnect());
    return connection;
  });
  const write = () => Promise.allSettled(all.map((connection) => connection.set('key', '1')));
  const allWrite = async () => (await write()).every(({ status }) => status === 'fulfilled');
  await until('they are there', allWrite);
  const old = await redis.master();
  await redis.prepareFailover();
  // A search that comes to it goes on when the new master is announced.
  redis.freezeSentinel();
  await old.kill();
  await until('the replica has taken over', async () => (await redis.master()).port !== old.port);
  await until('all are back', allWrite).catch((error: Error) =>
    assert.fail(`${error.message}: ${all.map(({ status }) => status).join(' ')}`),
  );
});
