import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';

import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';
import { defineCollection } from '../store/collection.ts';

const setup = taskRelay();

test('documents past the retention of their noun are removed, in batches, where tasks are kept for ever, and no others', async (t) => {
  const { relay, program } = setup(t);
  const { deps } = await program('api');
  const logs = deps.store.collection(
    defineCollection({
      name: 'purged_logs',
      schema: z.object({ at: z.int() }),
      indexes: [['at']],
      retention: { field: 'at', days: 30 },
      owner: 'required',
    }),
  );
  // An owner has so many calls at once and no more.
  for (let from = 0; from < 1_200; from += 100)
    await Promise.all(Array.from({ length: 100 }, (_, n) => logs.put('anna', `old ${from + n}`, { at: from + n })));
  await logs.put('anna', 'young', { at: deps.clock.now() - 60_000 });
  await relay({ STORE_RETENTION_DAYS: '0' });
  await until(async () => (await logs.count('anna', {})) <= 1);
  assert.equal(await logs.count('anna', { by: 'at' }), 1);
  assert.notEqual(await logs.get('anna', 'young'), null);
});
