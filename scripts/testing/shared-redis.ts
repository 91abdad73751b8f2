/** The one Redis of a run of tests. */
import { redisCli, type TestRedis, testRedis } from './test-redis.ts';

export type SharedRedis = Pick<TestRedis, 'url' | 'port' | 'cli' | 'stop'>;

/**
 * The Redis that whoever runs the tests has started and names by TEST_REDIS_URL; else one of the caller's own. Whatever
 * uses it has a key prefix of its own, and neither freezes, fills nor configures it.
 */
export async function sharedRedis(): Promise<SharedRedis> {
  const url = process.env.TEST_REDIS_URL;
  if (!url) return testRedis();
  const port = Number(new URL(url).port);
  // It is not the caller's to stop.
  return { url, port, cli: (...args) => redisCli(port, ...args), stop: async () => undefined };
}
