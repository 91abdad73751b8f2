import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { wiredTo } from '../../../scripts/testing/wired.ts';
import { makeTaskId } from '../task-id.ts';
import { listTasks } from './list-tasks.ts';

/** Waiting tasks of an owner, the even ones of which are marked. */
async function setup(t: TestContext, count: number) {
  const { deps, redis } = await wiredTo(t, { STORE_TIMEOUT_MS: '30000' });
  const ids = Array.from({ length: count }, (_, index) => makeTaskId(deps.clock.now() + index, 0));
  await Promise.all(
    ids.map((id, index) =>
      deps.tasks.create({
        ...{ id, owner: 'anna', spread: false, type: 'chat.request', typeVersion: 1, input: '{}', headStartMs: 0 },
        ...{ runAt: 0, delayMs: 0, startBy: undefined, timeoutMs: 60_000, maxAttempts: 3, patienceMs: undefined },
        ...{
          priority: 0,
          metadata: { kind: index % 2 === 0 ? 'even' : 'odd' },
          requestId: 'r',
          traceparent: undefined,
        },
        ...{ retryOf: undefined, marks: {}, idempotency: undefined, notAfter: deps.clock.now() + 60_000 },
      }),
    ),
  );
  const calls = async () =>
    Object.fromEntries(
      [...(await redis.cli('info', 'commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name, calls]) => [
        name,
        Number(calls),
      ]),
    );
  return { deps, ids: ids.reverse(), calls };
}

const PAGE = { limit: 200, before: null };

test('a list that hardly any task passes ends when it has looked at two thousand, and goes on from there', async (t) => {
  const { deps, ids } = await setup(t, 2_050);
  const first = await listTasks(deps, 'anna', { ...PAGE, status: 'expired' });
  assert.deepEqual(first.tasks, []);
  assert.equal(first.next, ids[1_999]);
  const second = await listTasks(deps, 'anna', { ...PAGE, status: 'expired', before: first.next });
  assert.deepEqual(second, { tasks: [], next: null, incomplete: false });
});

test('a filter looks at the fields it needs, and whole tasks are read of what passes only', async (t) => {
  const { deps, ids, calls } = await setup(t, 300);
  await listTasks(deps, 'anna', { ...PAGE, metadata: { kind: 'even' } });
  const before = await calls();
  const { tasks } = await listTasks(deps, 'anna', { ...PAGE, metadata: { kind: 'even' } });
  const after = await calls();
  assert.deepEqual(
    tasks.map(({ id }) => id),
    ids.filter((_, index) => index % 2 === 1),
  );
  assert.equal((after.hmget ?? 0) - (before.hmget ?? 0), 300 + 150);
  assert.equal(after.hgetall, before.hgetall);
});

test('of the lists of an owner one goes at a time and twenty wait; one more is refused, and another owner’s goes', async (t) => {
  const { deps } = await setup(t, 5);
  const owners = [...Array.from({ length: 22 }, () => 'anna'), 'ben'];
  const answers = await Promise.allSettled(owners.map((owner) => listTasks(deps, owner, PAGE)));
  const refused = answers.flatMap((answer, index) =>
    answer.status === 'rejected' ? [[index, answer.reason.code]] : [],
  );
  assert.deepEqual(refused, [[21, 'rate_limited']]);
});
