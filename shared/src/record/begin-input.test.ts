import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';

const setup = taskRedis();

test('an input that is large does not come along, and one that is gone is none', async (t) => {
  const { tasks, beginOptions, create, redis, keys } = setup(t);
  for (const [length, comes] of [
    [16_384, true],
    [16_385, false],
  ] as const) {
    const input = JSON.stringify('x'.repeat(length - 2));
    const begun = await tasks.begin(await create({ input }), beginOptions());
    assert.equal(begun.verdict, 'start');
    assert.equal(begun.input === input, comes);
    assert.equal(begun.input === null, !comes);
  }
  const id = await create();
  await redis.del(keys.input(0, id));
  const begun = await tasks.begin(id, beginOptions());
  assert.equal(begun.verdict === 'start' && begun.input, null);
});
