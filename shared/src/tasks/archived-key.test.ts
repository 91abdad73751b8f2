/** An Idempotency-Key whose task has left Redis. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { until } from '../../../scripts/testing/until.ts';
import { type SubmitRequest, submitTask } from './submit-task.ts';

const base = taskRelay();

async function setup(t: TestContext) {
  const at = base(t);
  const { deps } = await at.program('api');
  const type = deps.catalog.get('chat.request');
  assert.ok(type);
  const submit = (idempotencyKey: string, content = 'x', owner = 'anna') => {
    const value = { messages: [{ role: 'user', content }] };
    const options = { priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 1 };
    const request: SubmitRequest = {
      ...{ owner, spread: true, type, input: JSON.stringify(value), value, inputPath: [], given: {} },
      options: { ...options, runAt: 0, delayMs: 0, startBy: undefined },
      ...{ idempotencyKey, requestId: 'r', traceparent: undefined },
    };
    return submitTask(deps, request);
  };
  /** A task of this key that only the store has. */
  async function archived(key: string) {
    const { id } = await submit(key);
    const options = at.beginOptions({ typeVersion: type?.version ?? 0 });
    const begun = await at.tasks.begin(id, options);
    assert.equal(begun.verdict, 'start');
    await at.tasks.finish({ id, attempt: begun.attempt, fence: options.fence }, at.ending(begun.lastId));
    const relay = await at.relay({ IDEMPOTENCY_RETENTION_MS: '1000', TASK_RETENTION_MS: '1000' });
    await until(async () => (await at.redis.exists(at.keys.task(0, id))) === 0);
    await until(async () => (await at.allKeys()).every((name) => !name.includes(':idem:')));
    await relay.stop();
    return id;
  }
  return { ...at, deps, submit, archived };
}

test('a repeat attaches to the task that only the store has, and another request with its key is a conflict', async (t) => {
  const { submit, archived, counts } = await setup(t);
  const id = await archived('key');
  for (let i = 0; i < 2; i++) assert.deepEqual(await submit('key'), { id, replayed: true });
  await assert.rejects(submit('key', 'another'), { code: 'idempotency_conflict' });
  assert.deepEqual(await counts(), {});
  assert.equal((await submit('key', 'x', 'ben')).replayed, false);
  assert.equal((await submit('another')).replayed, false);
});

test('while the store is away a repeat is unavailable and runs nothing, and a new key is accepted', async (t) => {
  const { deps, submit, archived, counts } = await setup(t);
  await archived('key');
  await deps.store.close();
  await assert.rejects(submit('key'), { code: 'unavailable' });
  assert.deepEqual(await counts(), {});
  const first = await submit('new');
  assert.deepEqual(await submit('new'), { id: first.id, replayed: true });
});

test('a key whose task was purged makes another one, of many repeats at once too', async (t) => {
  const { deps, submit, archived, now } = await setup(t);
  const old = await archived('key');
  assert.equal(await deps.store.tasks.purge((await now()) + 1_000, 10), 1);
  const made = await Promise.all(Array.from({ length: 20 }, () => submit('key')));
  const [id] = new Set(made.map((one) => one.id));
  assert.notEqual(id, old);
  assert.ok(made.every((one) => one.id === id));
  assert.equal(made.filter(({ replayed }) => !replayed).length, 1);
});

test('a request that a part refuses is answered with the task of its key as long as that can be read, and then refused', async (t) => {
  const { deps, submit, archived, now } = await setup(t);
  const id = await archived('key');
  const refusing = { name: 'refusing', admit: () => Promise.reject(new Error('refused')) };
  Object.assign(deps, { parts: [...deps.parts, refusing] });
  assert.deepEqual(await submit('key'), { id, replayed: true });
  await deps.store.tasks.purge((await now()) + 1_000, 10);
  await assert.rejects(submit('key'), { message: 'refused' });
});

test('Redis keeps eight bytes of an archived key beside a few for each place', async (t) => {
  const { redis, keys } = await setup(t);
  const place = keys.archivedIdempotency(0, '0'.repeat(64));
  const numbers = Array.from({ length: 500 }, (_, i) => String(BigInt(i) * 36_028_797_018_963n));
  await redis.sadd(place, ...numbers);
  const bytes = Number(await redis.memory('USAGE', place));
  assert.ok(bytes < 500 * 8 + 300, `${bytes} bytes`);
});
