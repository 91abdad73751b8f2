/** Whole test files once more, on a Redis Cluster of three masters. */
import { describe } from 'node:test';

export function onCluster(name: string, load: () => Promise<unknown>): void {
  process.env.TEST_ON_CLUSTER = '1';
  describe(`${name}.test.ts holds on a Cluster`, async () => {
    await load();
  });
}
