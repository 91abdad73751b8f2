/** Tasks on their way from Redis to the store, in a running system. */

import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { partitionOf } from '@beanline/shared/task-id.ts';
import type { InProcess } from './in-process.ts';
import { silentLog } from './task-redis.ts';
import { until } from './until.ts';

type Of = Pick<InProcess, 'redis' | 'prefix'>;

/** So short that tests see it end. */
export const SHORT_RETENTION = { TASK_RETENTION_MS: '1000', SWEEP_INTERVAL_MS: '100' };

async function withRedis<T>(
  { redis }: Pick<Of, 'redis'>,
  use: (redis: ReturnType<typeof connect>) => Promise<T>,
): Promise<T> {
  const connection = connect(parseRedisUrl(redis.url), { name: 'test', for: 'worker', log: silentLog });
  try {
    return await use(connection);
  } finally {
    connection.disconnect();
  }
}

const keyOf = ({ prefix }: Of, id: string, name: string) => `${prefix}:{${partitionOf(id, 1)}}:${name}`;

/** Those of these tasks that Redis has. */
export const inRedis = (system: Of, ids: string[]): Promise<string[]> =>
  withRedis(system, async (redis) => {
    const found = await Promise.all(ids.map((id) => redis.exists(keyOf(system, id, `task:${id}`))));
    return ids.filter((_, index) => found[index] === 1);
  });

/** Resolves when these have left Redis. */
export const leftRedis = (system: Of, ids: string[]): Promise<void> =>
  withRedis(system, (redis) =>
    until(async () => {
      const found = await Promise.all(ids.map((id) => redis.exists(keyOf(system, id, `task:${id}`))));
      return found.every((count) => count === 0);
    }),
  );

/** Those of these tasks that Redis may remove, now or later, because the store has them. */
export const removable = (system: Of, ids: string[]): Promise<string[]> =>
  withRedis(system, async (redis) => {
    const scores = await Promise.all(ids.map((id) => redis.zscore(keyOf(system, id, 'archived'), id)));
    return ids.filter((_, index) => scores[index] !== null);
  });
