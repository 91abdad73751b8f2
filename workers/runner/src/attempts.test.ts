/** The checks of running attempts, which need no hint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';
import { watchAttempts } from './attempts.ts';

const setup = taskRelay();

test("a task is another one's only after its attempt has begun here, however long it is held back before", async (t) => {
  const { create, tasks, redis, begin, beginOptions, program } = setup(t);
  const { deps } = await program('relay');
  const stopped: string[] = [];
  const attempts = watchAttempts({ ...deps, tasks }, (_, kind) => stopped.push(kind));
  t.after(attempts.stop);
  const check = async () => {
    attempts.check();
    // Answered after what the check asks.
    await redis.ping();
  };
  const id = await create();
  await begin(id);
  await attempts.hold(id, async ({ fence, begun }) => {
    for (let n = 0; n < 5; n++) await check();
    assert.equal((await tasks.begin(id, beginOptions({ fence }))).verdict, 'start');
    begun();
    for (let n = 0; n < 5; n++) await check();
    assert.deepEqual(stopped, []);
    await begin(id);
    await until(async () => {
      await check();
      return stopped.length > 0;
    });
  });
  assert.equal(stopped[0], 'superseded');
});
