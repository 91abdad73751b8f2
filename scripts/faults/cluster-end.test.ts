/** A connection to a Cluster leaves nothing running behind it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect, connected } from '@beanline/shared/redis/connect.ts';
import { Cluster } from 'ioredis';
import { silentLog } from '../testing/task-redis.ts';
import { testCluster } from '../testing/test-cluster.ts';
import { until } from '../testing/until.ts';

/** Timers that keep a process alive. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('a connection that ends while it reads the map of a Cluster leaves no timer', async (t) => {
  const servers = await testCluster();
  t.after(servers.stop);
  const before = timers();
  const [made, cleared] = [t.mock.method(globalThis, 'setInterval'), t.mock.method(globalThis, 'clearInterval')];
  const cluster = connect(parseRedisUrl(servers.url), { name: 'test', for: 'worker', log: silentLog });
  await connected(cluster);
  assert.ok(cluster instanceof Cluster);
  const looks = made.mock.calls.map(({ result }) => result);
  assert.ok(looks.length > 0, 'it looks again from time to time');
  const ended = once(cluster, 'end');
  const wasRead = Promise.withResolvers<void>();
  const read = cluster.refreshSlotsCache.bind(cluster);
  cluster.refreshSlotsCache = (callback) => {
    cluster.refreshSlotsCache = read;
    read((...answer) => {
      callback?.(...answer);
      wasRead.resolve();
    });
    cluster.disconnect();
  };
  await Promise.all([ended, wasRead.promise]);
  await until('no timer is left', () => timers() <= before);
  const ends = cleared.mock.calls.map(({ arguments: [timer] }) => timer);
  assert.ok(looks.every((timer) => ends.includes(timer)));
});
