/** What a program has, in the test's own process: a Redis and a store of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { wire } from '@beanline/shared/wire.ts';
import { PATIENT } from './patient.ts';
import { silentLog } from './task-redis.ts';
import { testRedis } from './test-redis.ts';

export const wired = async (t: TestContext) => (await wiredTo(t)).deps;

/** The same with its Redis and its configuration. */
export async function wiredTo(t: TestContext, env: Record<string, string> = {}) {
  const redis = await testRedis();
  const dataDir = await mkdtemp(join(tmpdir(), 'beanline-test-'));
  const config = readConfig({ ...PATIENT, REDIS_URL: redis.url, DATA_DIR: dataDir, ...env });
  const { deps, close } = wire(config, { program: 'relay', log: silentLog });
  t.after(async () => {
    await close();
    await redis.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  await deps.clock.ready();
  return { deps, redis, config };
}
