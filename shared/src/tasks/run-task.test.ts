/** What an attempt in a session makes of a Redis that refuses for a moment. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../../scripts/testing/task-redis.ts';
import { wiredTo } from '../../../scripts/testing/wired.ts';
import { chatRequest } from '../jobs/chat/chat-request.ts';
import { createProviders } from '../models/create-providers.ts';
import { withParts } from '../parts.ts';
import { someOwner, talk } from '../store/contract/samples.ts';
import { runTask } from './run-task.ts';
import { submitTask } from './submit-task.ts';

async function setup(t: TestContext) {
  const { deps, redis, config } = await wiredTo(t, { OLLAMA_HOST: 'off' });
  const owner = someOwner();
  const { sessionId } = await talk(deps.store, owner, ['one', 'two']);
  const value = { messages: [{ role: 'user', content: 'three' }], session_id: sessionId };
  const { id } = await submitTask(deps, {
    owner,
    spread: false,
    type: chatRequest,
    input: JSON.stringify(value),
    value,
    inputPath: [],
    options: { priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 3, runAt: 0, delayMs: 0, startBy: undefined },
    given: {},
    idempotencyKey: undefined,
    requestId: 'request-1',
    traceparent: undefined,
  });
  const stale = (may: 'yes' | 'no') => redis.cli('config', 'set', 'replica-serve-stale-data', may);
  /** Does this while Redis is the replica of a master that is away: it refuses reads and writes. */
  async function refused<T>(work: () => Promise<T>): Promise<T> {
    await stale('no');
    await redis.cli('replicaof', '127.0.0.1', '1');
    try {
      return await work();
    } finally {
      await redis.cli('replicaof', 'no', 'one');
      await stale('yes');
    }
  }
  const providers = await createProviders(config, silentLog);
  const { turns, tasks } = deps;
  const lacking = {
    turns: { ...turns, begin: (...given: Parameters<typeof turns.begin>) => refused(() => turns.begin(...given)) },
    list: { ...turns, list: (...given: Parameters<typeof turns.list>) => refused(() => turns.list(...given)) },
    ends: { ...tasks, ends: (ids: string[]) => refused(() => tasks.ends(ids)) },
  };
  const run = (over: object) =>
    runTask(
      { ...withParts({ ...deps, ...over }), providers },
      { taskId: id, type: chatRequest.name, signal: new AbortController().signal, fence: randomUUID() },
    );
  const read = () => deps.tasks.read(owner, id);
  /** Spares the test the sleep of a parked task. */
  const wake = () => redis.cli('hset', `bl:{0}:task:${id}`, 'due_at', '0');
  const log = () => deps.tasks.readLog(id, '0-0', 100);
  return { deps, sessionId, lacking, run, read, wake, log };
}

for (const [name, pick] of [
  ['the turn cannot begin', ({ lacking }) => ({ turns: lacking.turns })],
  ['the turns cannot be listed', ({ lacking }) => ({ turns: lacking.list })],
  ['the ends of the turns cannot be read', ({ lacking }) => ({ tasks: lacking.ends })],
] as [string, (made: Awaited<ReturnType<typeof setup>>) => object][]) {
  test(`${name} because Redis refuses: the task waits without spending a failure`, async (t) => {
    const made = await setup(t);
    await made.deps.turns.begin(made.sessionId, 'task_1m80dvxcg008y5d70b2qj0mbs');
    const { until = 0 } = await made.run(pick(made));
    const parked = await made.read();
    assert.deepEqual([parked?.status, parked?.attempt, parked?.failures], ['queued', 1, 0]);
    assert.ok(until > made.deps.clock.now());
  });
}

test('a task that needs what is away asks again after 5 s, then ever later, up to each minute', async (t) => {
  const { lacking, run, read, wake, log } = await setup(t);
  for (let n = 0; n < 6; n++) {
    await run({ turns: lacking.list });
    await wake();
  }
  const delays = (await log()).flatMap(({ type, bytes }) => (type === 'retrying' ? [bytes.toString()] : []));
  assert.deepEqual(
    delays.map((text) => Number(/"delay_ms":(\d+)/.exec(text)?.[1])),
    [5_000, 10_000, 20_000, 40_000, 60_000, 60_000],
  );
  const { attempt, failures } = (await read()) ?? {};
  assert.deepEqual([attempt, failures], [6, 0]);
});
