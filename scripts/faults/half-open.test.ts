/** Connections to Redis that die without a word, as behind a NAT or after a failed host: they are given up and replaced. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { chat, post, submit, visibleText } from '../testing/client.ts';
import { flakyNetwork } from '../testing/flaky-network.ts';
import { watchMachine } from '../testing/machine.ts';
import { followedTasks } from '../testing/raw.ts';
import { startSystem } from '../testing/system.ts';
import { testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, follow, followUntil, startFaults, words } from './checks.ts';

/** A connection that says nothing is given up well within this. */
const GIVEN_UP_MS = 20_000;
/** So long that the connection dies while it waits. */
const EARLY_S = 10;

async function networked(t: TestContext) {
  const redis = await testRedis();
  t.after(redis.stop);
  const network = await flakyNetwork(redis);
  t.after(network.stop);
  return network;
}

describe('half-open connections to Redis', { concurrency: 2 }, () => {
  test('when all connections to Redis go dead, the API accepts again and the running task ends', async (t) => {
    const network = await networked(t);
    const system = await startFaults({ redis: network.redis });
    t.after(system.stop);
    const { url } = system;
    const task = await system.start([slowWords(30, 50)]);
    await followUntil(url, task.id, 'text');
    const reader = follow(url, task.id, { timeoutMs: GIVEN_UP_MS });
    reader.catch(() => undefined);
    const deadAt = performance.now();
    const sinceMs = () => Math.round(performance.now() - deadAt);
    assert.ok(network.deadenAll() >= 10);
    const last = system.model(slowWords(5, 0));
    let accepted = '';
    let slowestMs = 0;
    await until(
      'the API accepts',
      async () => {
        const askedAt = performance.now();
        const { status, json } = await post(url, '/api/chat', chat(last.prompt));
        slowestMs = Math.max(slowestMs, Math.round(performance.now() - askedAt));
        assert.ok(status === 202 || status === 503, `${status}`);
        if (status === 202) accepted = json.task_id;
        return status === 202;
      },
      GIVEN_UP_MS,
    );
    t.diagnostic(`accepted again ${sinceMs()} ms after the connections died; the slowest answer took ${slowestMs} ms`);
    assert.equal(visibleText(await reader), words(30));
    t.diagnostic(`the running task ended ${sinceMs()} ms after`);
    assert.equal((await checkCalls(url, task)).status, 'completed');
    await follow(url, accepted, { timeoutMs: Math.max(1, GIVEN_UP_MS - sinceMs()) });
    t.diagnostic(`the task accepted after that ended ${sinceMs()} ms after`);
    assert.ok(sinceMs() <= GIVEN_UP_MS);
    network.bury();
    await checkClean(system);
    assert.equal(last.calls.length, 1, 'what was refused meanwhile did not run');
  });

  test('waiting requests answer when they said they would although the connection that carries events is dead', async (t) => {
    const network = await networked(t);
    const system = await startSystem({ redis: network.redis, runners: 0, relays: 0 });
    t.after(system.stop);
    const { url } = system;
    // One task is followed already when the connection dies, the others are not.
    const followed = await submit(url);
    const other = await submit(url);
    const polled = (id: string, seconds: number) => fetch(`${url}/tasks/${id}?wait=${seconds}`);
    const early = polled(followed, EARLY_S);
    await until('it is followed', async () => (await followedTasks(url)) === 1);
    const machine = watchMachine(t, url);
    const startedAt = performance.now();
    assert.equal(await network.deadenNamed('beanline-api-live'), 1);
    const timed = async (waitS: number, answer: Promise<{ status: number }>) => {
      const { status } = await answer;
      const tookMs = Math.round(performance.now() - startedAt);
      return { status, tookMs, lateMs: tookMs - waitS * 1_000 - machine.lateMs() };
    };
    const answers = await Promise.all([
      timed(2, post(url, '/api/chat', chat(), { Prefer: 'wait=2' })),
      timed(2, polled(other, 2)),
      timed(EARLY_S, early),
    ]);
    t.diagnostic(`answered after ${answers.map(({ tookMs }) => tookMs).join(', ')} ms`);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 200, 200],
    );
    for (const { lateMs } of answers) assert.ok(lateMs <= 4_000, `${lateMs} ms late`);
  });
});
