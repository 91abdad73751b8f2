import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { chat, checkEnded, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

const BLOCKER = 'holds the only slot';

let system: InProcess;
let upstream: Upstream;
let release: () => void;
before(async () => {
  upstream = await startUpstream();
  system = await startInProcess({ env: { ...upstream.env, QUEUES: 'chat.request:1' } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.calls.length = 0;
  const released = Promise.withResolvers<void>();
  release = released.resolve;
  upstream.answer = async (call) => {
    if (prompt(call) === BLOCKER) await released.promise;
    call.text('ok');
    call.finish();
  };
});

const prompt = (call: UpstreamCall) => String(call.body.messages[0]?.content);

/** Fills the one slot of the runner. */
async function block(): Promise<string> {
  const id = await submit(system.url, chat(BLOCKER));
  await upstream.call(1);
  return id;
}

/** With a key, a `start_by` that has passed before the request arrives is no mistake. */
async function submitBy(content: string, start_by: string): Promise<string> {
  const key = { 'Idempotency-Key': `${content} ${start_by}`.replaceAll(' ', '-') };
  const { status, json, text } = await post(system.url, '/api/chat', chat(content, { start_by }), key);
  assert.equal(status, 202, text);
  return json.task_id;
}

test('what waits starts by priority, and within one priority in the order it came', async () => {
  const blocker = await block();
  const ids: string[] = [blocker];
  for (const [content, priority] of [
    ['low', 'low'],
    ['minus an hour', -3600],
    ['normal 1', 'normal'],
    ['high 1', 'high'],
    ['normal 2', undefined],
    ['plus an hour', 3600],
    ['high 2', 600],
    ['plus five minutes', 300],
  ] as const) {
    ids.push(await submit(system.url, chat(content, priority === undefined ? {} : { priority })));
  }
  release();
  for (const id of ids) await followToEnd(system.url, id);
  assert.deepEqual(upstream.calls.map(prompt), [
    BLOCKER,
    'plus an hour',
    'high 1',
    'high 2',
    'plus five minutes',
    'normal 1',
    'normal 2',
    'low',
    'minus an hour',
  ]);
});

test('a delay holds: the task is scheduled until then, starts soon after, and what comes later goes ahead', async (t) => {
  const machine = watchMachine(t, system.url);
  const distant = await post(system.url, '/api/chat', chat('much later', { delay_ms: 600_000 }));
  assert.equal(distant.json.status, 'scheduled');
  const id = await submit(system.url, chat('delayed', { delay_ms: 1_200 }));
  await followToEnd(system.url, await submit(system.url, chat('at once')));
  await followToEnd(system.url, id);
  const { json } = await getTask(system.url, id);
  const waited = Date.parse(json.started_at) - Date.parse(json.created_at);
  assert.ok(waited >= 1_200, `it started after ${waited} ms`);
  assert.equal(Date.parse(json.run_at) - Date.parse(json.created_at), 1_200);
  assert.equal(json.wait_ms, waited - 1_200);
  assert.ok(json.wait_ms < 3_000 + machine.stop(), `it was ${json.wait_ms} ms late`);
  assert.deepEqual(upstream.calls.map(prompt), ['at once', 'delayed']);
  assert.equal((await getTask(system.url, distant.json.task_id)).json.status, 'scheduled');
});

test('a run_at holds, and a later one of higher priority does not overtake the clock', async () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  const later = await submit(system.url, chat('later', { run_at: at(600_000), priority: 'high' }));
  for (const content of ['soon', 'soon after that']) {
    const run_at = at(1_000);
    const id = await submit(system.url, chat(content, { run_at, priority: 'low' }));
    await followToEnd(system.url, id);
    const { json } = await getTask(system.url, id);
    assert.equal(json.run_at, run_at);
    assert.ok(json.started_at >= run_at, `${json.started_at} is not before ${run_at}`);
  }
  assert.deepEqual(upstream.calls.map(prompt), ['soon', 'soon after that']);
  assert.equal((await getTask(system.url, later)).json.status, 'scheduled');
});

test('a run_at in the past starts at once and waits for nothing', async () => {
  const id = await submit(system.url, chat('now', { run_at: '2020-01-01T00:00:00Z' }));
  await followToEnd(system.url, id);
  const { json } = await getTask(system.url, id);
  assert.equal(json.wait_ms, Date.parse(json.started_at) - Date.parse(json.created_at));
});

test('a task not started by its start_by expires, and is never billed', async () => {
  const blocker = await block();
  const start_by = new Date(Date.now() + 700).toISOString();
  const id = await submitBy('too late', start_by);
  const seen = await followToEnd(system.url, id);
  await checkEnded(system.url, id, seen);
  assert.deepEqual(
    seen.map(({ type, attempt }) => [type, attempt]),
    [
      ['queued', 0],
      ['done', 0],
    ],
  );
  assert.deepEqual(seen[1]?.data, { status: 'expired', output: null, error: null, usage: null });
  const { json } = await getTask(system.url, id);
  assert.equal(json.status, 'expired');
  assert.equal(json.attempt, 0);
  assert.equal(json.started_at, null);
  assert.equal(json.wait_ms, null);
  assert.ok(json.ended_at >= start_by);
  release();
  await followToEnd(system.url, blocker);
  await followToEnd(system.url, await submit(system.url, chat('next')));
  assert.deepEqual(upstream.calls.map(prompt), [BLOCKER, 'next']);
});

test('a task that started by its start_by runs to its end, however long it takes', async () => {
  const released = Promise.withResolvers<void>();
  upstream.answer = async (call) => {
    call.text('long');
    await released.promise;
    call.finish();
  };
  // So far off that it has begun by then also on a busy machine.
  const start_by = new Date(Date.now() + 6_000).toISOString();
  const id = await submitBy('in time', start_by);
  await upstream.call(1);
  const expired = await submitBy('waits behind it', start_by);
  await followToEnd(system.url, expired);
  released.resolve();
  const seen = await followToEnd(system.url, id);
  assert.equal(seen.at(-1)?.data.status, 'completed');
  assert.equal(upstream.calls.length, 1);
});
