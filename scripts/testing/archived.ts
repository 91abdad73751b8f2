/** Tasks on their way from Redis to the store, in a running system. */
import { join } from 'node:path';
import { sqliteStore } from '@beanline/shared/store/sqlite.ts';
import { partitionOf } from '@beanline/shared/task-id.ts';
import { eventually } from './raw.ts';
import type { System } from './system.ts';

type Of = Pick<System, 'redis'>;

/** So short that tests see it end. */
export const SHORT_RETENTION = { TASK_RETENTION_MS: '1000', SWEEP_INTERVAL_MS: '100' };

const keyOf = (id: string) => {
  const partition = partitionOf(id, process.env.TEST_ON_CLUSTER ? 64 : 1);
  return (name: string) => `bl:{${partition}}:${name}`;
};

/** Whether Redis has the task. */
export const isInRedis = async ({ redis }: Of, id: string): Promise<boolean> =>
  (await redis.cli('exists', keyOf(id)(`task:${id}`))) === '1';

/** Resolves when these have left Redis. */
export async function leftRedis(system: Of, ids: string[]): Promise<void> {
  for (const id of ids) {
    await eventually(
      () => isInRedis(system, id),
      (isThere) => !isThere,
    );
  }
}

/** The time at which Redis may remove a task that the store has (ms); null before the store has it. */
export async function removalAt({ redis }: Of, id: string): Promise<number | null> {
  const score = await redis.cli('zscore', keyOf(id)('archived'), id);
  return score === '' ? null : Number(score);
}

/** The store of a system, as its programs have it. To be closed. */
export const storeOf = ({ dataDir }: Pick<System, 'dataDir'>) =>
  sqliteStore({ file: join(dataDir, 'store.db'), timeoutMs: 5_000 });
