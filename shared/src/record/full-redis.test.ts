import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import { isConnectionError } from '../redis/connect.ts';

const base = taskRedis();
const OOM = /^(ReplyError: )?OOM /;
const isOom = (error: Error) => OOM.test(error.message) && isConnectionError(error);

function setup(t: TestContext) {
  const at = base(t);
  t.after(() => at.server.cli('CONFIG', 'SET', 'maxmemory', '0'));
  return {
    ...at,
    /** From now on Redis refuses, whatever it frees meanwhile. */
    async fill() {
      const used = Number(/used_memory:(\d+)/.exec(await at.redis.info('memory'))?.[1]);
      await at.redis.config('SET', 'maxmemory', String(used >> 1));
    },
  };
}

test('a full Redis refuses to create and to begin, and nothing of them is left', async (t) => {
  const { tasks, create, newTask, beginOptions, unchanged, fill } = setup(t);
  const id = await create();
  await fill();
  await unchanged(async () => {
    await assert.rejects(tasks.create(newTask()), isOom);
    await assert.rejects(tasks.begin(id, beginOptions()), isOom);
  });
});

test('a full Redis lets running tasks append, park, be answered, be cancelled, be retried and end', async (t) => {
  const { tasks, running, create, parking, retry, reply, ending, record, events, fill } = setup(t);
  const [finished, parked, retried, waiting] = [await running(), await running(), await running(), await create()];
  await fill();
  const text = { id: '1-2', type: 'text', data: '{"content":"a"}' };
  const appended = await tasks.append(finished.ref, finished.lastId, [text]);
  assert.equal(appended.verdict, 'appended');
  assert.equal(await tasks.finish(finished.ref, ending('1-2')), 'finished');
  assert.equal((await tasks.release(parked.ref, parking(parked.lastId))).verdict, 'released');
  assert.equal(await tasks.answer(parked.ref.id, reply()), 'answered');
  assert.equal((await tasks.release(retried.ref, retry(retried.lastId))).verdict, 'released');
  assert.equal((await tasks.cancel(waiting, 'anna', { nonce: 'n' })).verdict, 'cancelled');
  const ids = [finished.ref.id, parked.ref.id, retried.ref.id, waiting];
  const states = await Promise.all(ids.map(async (id) => (await record(id)).status));
  assert.deepEqual(states, ['completed', 'queued', 'queued', 'cancelled']);
  for (const id of ids) await events(id);
});

test('a full Redis takes no message, and lets an attempt take what there is and close the inbox', async (t) => {
  const { tasks, running, unchanged, fill } = setup(t);
  const { ref } = await running();
  const message = (id: string) => {
    const said = { mode: 'steer', content: '"x"', fingerprint: '' } as const;
    return tasks.message(ref.id, { nonce: id, id, ...said, notAfter: Number.MAX_SAFE_INTEGER });
  };
  await message('msg_1');
  await fill();
  await unchanged(() => assert.rejects(message('msg_2'), isOom));
  const taken = await tasks.takeMessages(ref, 'a', 'all');
  assert.equal(taken.verdict === 'taken' && taken.messages.length, 1);
  assert.equal(await tasks.closeInbox(ref), 'closed');
});

test('a full Redis that forgot its scripts still lets a task end', async (t) => {
  const { tasks, running, ending, redis, fill } = setup(t);
  const { ref, lastId } = await running();
  await fill();
  await redis.script('FLUSH');
  assert.equal(await tasks.finish(ref, ending(lastId)), 'finished');
});
