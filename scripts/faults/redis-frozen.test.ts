/** Redis stops answering while its connections stay open: refusals are quick, and nothing refused comes to life. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { eventually } from '../testing/raw.ts';
import { PROMPT, SHORT_LOCK, TEST_ENV } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, followUntil, followWhole, startFaults, words } from './checks.ts';

/** Within this a submit is refused, by the contract, and one more look of the probe. */
const REFUSED_MS = 325;

let system: Faults;
before(async () => {
  system = await startFaults({ runners: 1, env: PROMPT });
});
after(() => system.stop());

const taskKeys = () => system.redis.cli('--raw', 'keys', 'bl:*task_*');
const ready = () => until('the API accepts', async () => (await fetch(`${system.url}/readyz`)).ok);

/** Frozen so long, Redis is away for every API, also one that gets little of the processor. */
const LONG_MS = 600;

/** Freezes Redis for so long; when it is to be away, until every answer is there. */
async function freeze<T>(frozenMs: number, work: () => Promise<T>): Promise<T> {
  system.redis.pause();
  const over = delay(frozenMs);
  const answers = work();
  // Awaited below; it must not count as unhandled while Redis is still frozen.
  answers.catch(() => undefined);
  if (frozenMs >= LONG_MS) await Promise.allSettled([answers]);
  await over;
  system.redis.resume();
  return answers;
}

for (const frozenMs of [200, 240, 280, 700]) {
  test(`submits to a Redis frozen for ${frozenMs} ms are accepted and run, or refused within 300 ms and leave no ghost`, async (t) => {
    const { url } = system;
    await ready();
    const before = new Set((await taskKeys()).split('\n'));
    const model = system.model(slowWords(5, 0));
    const machine = watchMachine(t, url);
    const answers = await freeze(frozenMs, () => {
      const askedAt = performance.now();
      return Promise.all(
        Array.from({ length: 10 }, async () => {
          const answer = await post(url, '/api/chat', chat(model.prompt));
          return { ...answer, tookMs: Math.round(performance.now() - askedAt), machineMs: machine.lateMs() };
        }),
      );
    });
    machine.stop();
    const { tookMs: slowest, machineMs } = answers.reduce((a, b) => (a.tookMs > b.tookMs ? a : b));
    const accepted = answers.filter(({ status }) => status === 202).map(({ json }) => json.task_id as string);
    t.diagnostic(`accepted ${accepted.length} of 10; the slowest answer took ${slowest} ms, machine ${machineMs} ms`);
    for (const { status, json, headers } of answers.filter((answer) => answer.status !== 202)) {
      assert.deepEqual([status, json.code], [503, 'unavailable']);
      assert.ok(Number(headers.get('retry-after')) >= 1);
    }
    assert.ok(slowest <= REFUSED_MS + machineMs, `${slowest} ms, of which ${machineMs} ms are the machine's`);
    if (frozenMs >= LONG_MS) assert.deepEqual(accepted, []);
    await ready();
    for (const id of accepted) await followWhole(url, id);
    const ghosts = async () =>
      (await taskKeys()).split('\n').filter((key) => !before.has(key) && !accepted.some((id) => key.includes(id)));
    await until('no key of a refused one remains', async () => (await ghosts()).length === 0);
    // A later task that waits longer than any repair needs has run: so would they have.
    const control = await system.start([slowWords(1, 0)], { delay_ms: 1_500 });
    await followWhole(url, control.id);
    assert.equal(model.calls.length, accepted.length);
    await checkClean(system);
  });
}

test('a submit to a frozen Redis that is retried with its Idempotency-Key makes one task', async () => {
  const { url } = system;
  for (const frozenMs of [230, LONG_MS]) {
    const model = system.model(slowWords(5, 0));
    const headers = { 'Idempotency-Key': `frozen-${frozenMs}` };
    const send = () => post(url, '/api/chat', chat(model.prompt), headers);
    const first = await freeze(frozenMs, send);
    await ready();
    // Frozen so shortly, it may have been accepted after all.
    const ids = new Set<string>(first.status === 202 ? [first.json.task_id] : []);
    if (frozenMs >= LONG_MS) assert.equal(first.status, 503);
    for (let round = 0; round < 3; round++) {
      const { status, json } = await eventually(send, (answer) => answer.status !== 503);
      assert.equal(status, 202);
      ids.add(json.task_id);
    }
    assert.equal(ids.size, 1);
    for (const id of ids) await followWhole(url, id);
    assert.equal(model.calls.length, 1);
    await checkClean(system);
  }
});

test('messages to a task while Redis is frozen are refused, and none of them arrives when it thaws', async () => {
  const { url } = system;
  await ready();
  const id = await submit(url, { type: 'test.turns', input: {}, delay_ms: 600_000 }, '/tasks');
  const send = (content: string) => post(url, `/tasks/${id}/messages`, { content });
  const answers = await freeze(LONG_MS, () => Promise.all(['a', 'b', 'c'].map(send)));
  for (const { status, json } of answers) assert.deepEqual([status, json.code], [503, 'unavailable']);
  await ready();
  // Behind those on the same connection.
  await eventually(
    () => send('d'),
    ({ status }) => status === 202,
  );
  assert.equal((await getTask(url, id)).json.unread_messages, 1);
  await post(url, `/tasks/${id}/cancel`, {});
  await checkClean(system);
});

for (const [locks, lock] of [
  [0.5, TEST_ENV.LOCK_DURATION_MS],
  [2.5, SHORT_LOCK.LOCK_DURATION_MS],
] as const) {
  test(`tasks that stream while Redis is frozen for ${locks} locks are whole`, async (t) => {
    const system = await startFaults({ runners: 1, env: { LOCK_DURATION_MS: lock } });
    t.after(system.stop);
    const { url, redis } = system;
    const frozenMs = locks * Number(lock);
    // They begin before it is frozen, and go on when it is back.
    const answers = [slowWords(80, frozenMs / 60), slowWords(80, 5)] as const;
    const tasks = await Promise.all(Array.from({ length: 5 }, () => system.start([...answers])));
    await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
    const readers = tasks.map(({ id }) => followWhole(url, id));
    redis.pause();
    await delay(frozenMs);
    redis.resume();
    for (const [index, task] of tasks.entries()) {
      assert.equal(visibleText((await readers[index]) ?? []), words(80));
      const json = await checkCalls(url, task);
      assert.equal(json.status, 'completed');
      t.diagnostic(`attempts ${json.attempt}, failures ${json.failures}`);
      if (locks < 0.8) assert.equal(json.attempt, 1, 'a pause shorter than the lock costs no attempt');
    }
    await checkClean(system);
  });
}

test('what is accepted right before and after a freeze runs once', async () => {
  const { url, redis } = system;
  const model = system.model(slowWords(5, 0));
  const early = await Promise.all(Array.from({ length: 10 }, () => submit(url, chat(model.prompt))));
  redis.pause();
  await delay(1_000);
  redis.resume();
  await ready();
  const late = await Promise.all(Array.from({ length: 10 }, () => submit(url, chat(model.prompt))));
  for (const id of [...early, ...late]) assert.equal(visibleText(await followWhole(url, id)), words(5));
  assert.equal(model.calls.length, 20);
  await checkClean(system);
});
