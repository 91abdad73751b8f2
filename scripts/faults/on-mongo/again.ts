/** Whole test files once more, with their store in the MongoDB of MONGODB_URI. */
import { describe, test } from 'node:test';
import { withoutMongo } from '@beanline/shared/store/mongo/testing/test-database.ts';

export function onMongo(name: string, load: () => Promise<unknown>): void {
  process.env.TEST_ON_MONGO = '1';
  const title = `${name}.test.ts holds on MongoDB`;
  if (withoutMongo) test(title, { skip: withoutMongo });
  else
    describe(title, async () => {
      await load();
    });
}
