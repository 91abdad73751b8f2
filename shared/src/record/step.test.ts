/** What a task has done for good, by the script `step`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import type { StepEffect } from '../context.ts';
import type { AttemptUsage } from './task-verdicts.ts';

const setup = taskRedis();
const done = (key: string, over: { effect?: StepEffect; result?: string; usage?: AttemptUsage } = {}) => ({
  key,
  effect: 'none' as StepEffect,
  result: '{"list":[]}',
  ...over,
  usage: over.usage,
});
const DONE = { verdict: 'done', steers: 0 };
const USAGE = { inputTokens: 3, outputTokens: 4, estimated: false };

test('a finished step is found by the next attempt as it was left, and counts what it used once', async (t) => {
  const { running, retry, begin, tasks, twice, record } = setup(t);
  const { ref, lastId } = await running();
  assert.deepEqual(await twice(() => tasks.finishStep(ref, done('a|b:1', { usage: USAGE }))), DONE);
  const { input_tokens, output_tokens } = await record(ref.id);
  assert.deepEqual([input_tokens, output_tokens], ['3', '4']);
  await tasks.release(ref, retry(lastId));
  const next = await begin(ref.id);
  const kept = { attempt: 1, result: '{"list":[]}' };
  assert.deepEqual(await tasks.finishedSteps(ref.id), new Map([['a|b:1', kept]]));
  assert.deepEqual(await tasks.beginStep(next.ref, 'a|b:1', 'once'), { verdict: 'done', ...kept });
  assert.deepEqual(await tasks.finishStep(next.ref, done('a|b:1', { result: '"another"' })), DONE);
  assert.deepEqual(await tasks.finishedSteps(ref.id), new Map([['a|b:1', kept]]));
});

test('any text is kept as it is: lines, bars, letters of any script, and nothing', async (t) => {
  const { running, tasks } = setup(t);
  const { ref } = await running();
  const texts = ['"a|b\\n|c"', '"한글\u2028 😀"', '""', 'null', '[]', `"${'x'.repeat(100_000)}"`, '"\n|done|1|"'];
  for (const [index, result] of texts.entries()) await tasks.finishStep(ref, done(`${index}`, { result }));
  const found = await tasks.finishedSteps(ref.id);
  assert.deepEqual(
    texts.map((_, index) => found.get(`${index}`)?.result),
    texts,
  );
});

test('a step that an attempt has begun begins once in it, and is unknown to the next one when it has its effect once', async (t) => {
  const { running, retry, begin, tasks, twice } = setup(t);
  const { ref, lastId } = await running();
  for (const effect of ['once', 'idempotent'] as const)
    assert.deepEqual(await twice(() => tasks.beginStep(ref, effect, effect)), { verdict: 'run' });
  await tasks.release(ref, retry(lastId));
  const next = await begin(ref.id);
  assert.deepEqual(await twice(() => tasks.beginStep(next.ref, 'once', 'once')), { verdict: 'unknown' });
  assert.deepEqual(await tasks.beginStep(next.ref, 'idempotent', 'idempotent'), { verdict: 'run' });
  assert.deepEqual(await tasks.finishedSteps(ref.id), new Map());
});

test('a superseded attempt neither begins nor finishes a step', async (t) => {
  const { running, retry, begin, tasks, unchanged } = setup(t);
  const { ref, lastId } = await running();
  await tasks.release(ref, retry(lastId));
  await begin(ref.id);
  assert.deepEqual(await unchanged(() => tasks.beginStep(ref, 'a', 'once')), { verdict: 'superseded' });
  assert.deepEqual(await unchanged(() => tasks.finishStep(ref, done('a'))), { verdict: 'superseded' });
});

test('a cancelled task begins no step, and keeps what one that had begun has done', async (t) => {
  const { running, tasks } = setup(t);
  const { ref } = await running();
  await tasks.beginStep(ref, 'a', 'once');
  await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
  assert.deepEqual(await tasks.beginStep(ref, 'b', 'once'), { verdict: 'cancelled' });
  assert.deepEqual(await tasks.finishStep(ref, done('a', { effect: 'once' })), DONE);
});

test('a step that is finished forgets the failures so far, and results beyond the limit are not kept', async (t) => {
  const { running, retry, begin, tasks, record, unchanged } = setup(t, { limits: { maxStepsBytes: 100 } });
  const { ref, lastId } = await running();
  await tasks.release(ref, retry(lastId));
  const next = await begin(ref.id);
  assert.equal((await record(ref.id)).failures, '1');
  assert.deepEqual(await tasks.finishStep(next.ref, done('a')), DONE);
  assert.equal((await record(ref.id)).failures, '0');
  assert.deepEqual(await unchanged(() => tasks.finishStep(next.ref, done('b'))), { verdict: 'full' });
});

test('attempts up to one that parked its task stand, and what others used beyond their steps is wasted', async (t) => {
  const { running, begin, parking, retry, reply, tasks, record, beginOptions } = setup(t);
  const { ref, lastId } = await running();
  await tasks.release(ref, { ...parking(lastId), usage: USAGE });
  await tasks.answer(ref.id, reply());
  const next = await tasks.begin(ref.id, beginOptions({ fence: 'second' }));
  assert.ok(next.verdict === 'start');
  assert.deepEqual([next.attempt, next.keptAttempt], [2, 1]);
  assert.equal((await record(ref.id)).wasted_tokens, undefined);
  await tasks.release({ id: ref.id, attempt: 2, fence: 'second' }, { ...retry(next.lastId), usage: USAGE });
  assert.equal((await record(ref.id)).wasted_tokens, '7');
  await begin(ref.id);
  assert.equal((await tasks.read('anna', ref.id))?.usage?.wastedTokens, 7);
});

test('the steps of a task leave Redis with it', async (t) => {
  const { running, ending, tasks, retention, redis, keys, now } = setup(t);
  const { ref, lastId } = await running();
  await tasks.finishStep(ref, done('a'));
  await tasks.finish(ref, ending(lastId));
  await retention.keep(0, [ref.id], 0);
  await retention.removeExpired(0, (await now()) + 1_000, 10, 0);
  assert.equal(await redis.exists(keys.steps(0, ref.id), keys.task(0, ref.id)), 0);
});
