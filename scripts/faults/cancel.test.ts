/** Cancel in every state, asked of an API that is another process than the runner: one end, and the model is let go. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import {
  checkCalls,
  checkClean,
  endlessWords,
  type Faults,
  followUntil,
  followWhole,
  partitionIn,
  startFaults,
  words,
  wordsThenSilence,
} from './checks.ts';

/** A running attempt learns of its cancel, and the connection to its model closes, within this. */
const LET_GO_MS = 500;

let system: Faults;
before(async () => {
  // The relay must not end what a busy machine lets its runner end late.
  system = await startFaults({ env: { CANCEL_GRACE_MS: '60000' } });
});
after(() => system.stop());

const cancel = (id: string) => post(system.url, `/tasks/${id}/cancel`, {});
const hasJob = async (id: string, type = 'chat.request') =>
  (await system.redis.cli('exists', `bl:{${type}}:${id}`)) === '1';

/** The end of a cancelled task: once, without an error; with an output, which is incomplete, when its model was asked. */
async function ended(id: string, { asked }: { asked: boolean }) {
  const seen = await followWhole(system.url, id);
  const { json } = await getTask(system.url, id);
  assert.deepEqual([json.status, json.error], ['cancelled', null]);
  if (asked) assert.equal(json.output.finish_reason, 'incomplete');
  else assert.equal(json.output, null);
  assert.ok(json.cancel_requested_at && json.ended_at);
  return { seen, json };
}

test('a scheduled task and a queued one end at once, leave no job, and never run', async () => {
  const model = system.model(slowWords(5, 0));
  const [runner] = system.runners;
  // What is submitted now stays queued.
  await runner?.signal('SIGSTOP');
  const delay_ms = 1_000;
  const scheduled = (await post(system.url, '/api/chat', chat(model.prompt, { delay_ms }))).json;
  const queued = await submit(system.url, chat(model.prompt));
  assert.equal(scheduled.status, 'scheduled');
  for (const id of [scheduled.task_id, queued]) {
    const answer = await cancel(id);
    assert.deepEqual([answer.status, answer.json.status], [202, 'cancelled']);
    const { seen, json } = await ended(id, { asked: false });
    assert.deepEqual([seen.map(({ type }) => type), json.attempt], [['queued', 'done'], 0]);
    await until('its job is gone', async () => !(await hasJob(id)));
  }
  await checkClean(system);
  await runner?.signal('SIGCONT');
  // A task that is due later than they were has run: so would they have.
  const control = await system.start([slowWords(1, 0)], { delay_ms });
  await followWhole(system.url, control.id);
  assert.equal(model.calls.length, 0);
});

test('a streaming attempt and a silent one let their model go within 500 ms and keep what came', async (t) => {
  const streaming = await system.start([endlessWords(20)]);
  const silent = await system.start([wordsThenSilence(3)]);
  for (const task of [streaming, silent]) {
    const call = await task.call(1);
    const early = visibleText(await followUntil(system.url, task.id, 'text'));
    if (task === silent) await until('all its words are out', async () => (await shown(task.id)) === words(3));
    const machine = watchMachine(t, system.url);
    const askedAt = performance.now();
    const answer = await cancel(task.id);
    assert.deepEqual([answer.status, answer.json.status], [202, 'in_progress']);
    await call.closed;
    const tookMs = Math.round(performance.now() - askedAt);
    const machineMs = machine.stop();
    const what = `${task === silent ? 'silent' : 'streaming'}: the upstream closed after ${tookMs} ms, machine ${machineMs} ms`;
    t.diagnostic(what);
    assert.ok(tookMs <= LET_GO_MS + machineMs, what);

    const { seen, json } = await ended(task.id, { asked: true });
    const { output } = json;
    assert.equal(output.content, visibleText(seen));
    assert.ok(output.content.startsWith(task === silent ? words(3) : early), 'nothing that was shown is lost');
    await checkCalls(system.url, task);
  }
  await checkClean(system);
});

/** The text on a task's log now. */
async function shown(id: string): Promise<string> {
  const raw = await system.redis.cli('--json', 'xrange', `bl:{${partitionIn(id)}}:log:${id}`, '-', '+');
  return (JSON.parse(raw) as [string, string[]][])
    .filter(([, fields]) => fields[1] === 'text')
    .map(([, fields]) => JSON.parse(fields.at(-1) ?? '{}').content)
    .join('');
}

test('a task that waits for an answer, or for its next try, ends at once', async () => {
  const parked = await submit(system.url, { type: 'test.approval', input: { questions: ['a'] } }, '/tasks');
  await followUntil(system.url, parked, 'human_approval');
  const resting = await system.start([(call) => call.refuse(429, { 'Retry-After': '600' })]);
  await followUntil(system.url, resting.id, 'retrying');
  for (const [id, type] of [
    [parked, 'test.approval'],
    [resting.id, 'chat.request'],
  ] as const) {
    const answer = await cancel(id);
    assert.deepEqual([answer.status, answer.json.status], [202, 'cancelled']);
    await ended(id, { asked: false });
    await until('its job is gone', async () => !(await hasJob(id, type)));
  }
  assert.equal(resting.calls.length, 1);
  await checkClean(system);
});

test('an ended task answers with itself and stays as it is', async () => {
  const task = await system.start([slowWords(5, 0)]);
  await followWhole(system.url, task.id);
  const { json } = await getTask(system.url, task.id);
  const answer = await cancel(task.id);
  assert.deepEqual([answer.status, answer.json], [200, json]);
  assert.deepEqual((await getTask(system.url, task.id)).json, json);
});

test('twenty cancels at once end a task once', async () => {
  const running = await system.start([endlessWords(20)]);
  await followUntil(system.url, running.id, 'text');
  const later = await submit(system.url, chat('later', { delay_ms: 60_000 }));
  for (const id of [running.id, later]) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => cancel(id)));
    for (const { status } of answers) assert.ok(status === 202 || status === 200);
    assert.ok(answers.some(({ status }) => status === 202));
    const { json } = await ended(id, { asked: id === running.id });
    const asked = new Set(answers.filter(({ status }) => status === 202).map((a) => a.json.cancel_requested_at));
    assert.deepEqual([...asked], [json.cancel_requested_at], 'the first cancel is the one that counts');
  }
  await checkClean(system);
});

test('a cancel that races the end of its task leaves one of the two ends, whole', async (t) => {
  const ends = new Map<string, number>();
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const task = await system.start([wordsThenSilence(3)]);
      const call = await task.call(1);
      await followUntil(system.url, task.id, 'text');
      const cancelled = cancel(task.id);
      await delay(index * 2);
      call.finish();
      assert.ok([200, 202].includes((await cancelled).status));
      const seen = await followWhole(system.url, task.id);
      const json = await checkCalls(system.url, task);
      assert.ok(['completed', 'cancelled'].includes(json.status), json.status);
      assert.equal(json.output.finish_reason, json.status === 'completed' ? 'stop' : 'incomplete');
      assert.equal(json.output.content, visibleText(seen));
      assert.equal(json.attempt, 1);
      ends.set(json.status, (ends.get(json.status) ?? 0) + 1);
    }),
  );
  t.diagnostic(JSON.stringify(Object.fromEntries(ends)));
  await checkClean(system);
});

test('a cancel whose hint is lost stops a silent attempt within a second and a half', async (t) => {
  const task = await system.start([wordsThenSilence(3)]);
  const call = await task.call(1);
  await followUntil(system.url, task.id, 'text');
  // The hint is published to nobody: the runner's subscriber is cut and the mark set before it is back.
  await system.redis.everywhere('client', 'kill', 'type', 'pubsub');
  const machine = watchMachine(t, system.url);
  const askedAt = performance.now();
  await cancel(task.id);
  await call.closed;
  const tookMs = Math.round(performance.now() - askedAt);
  const machineMs = machine.stop();
  t.diagnostic(`stopped after ${tookMs} ms, machine ${machineMs} ms`);
  assert.ok(tookMs <= 1_500 + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
  assert.equal((await followWhole(system.url, task.id)).at(-1)?.data.status, 'cancelled');
  await checkClean(system);
});
