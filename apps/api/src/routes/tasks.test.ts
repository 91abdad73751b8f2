import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chat, checkEnded, events, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { assertProblem } from '../../../../scripts/testing/raw.ts';
import { servedChats } from '../../../../scripts/testing/served-chats.ts';
import { slowWords } from '../../../../scripts/testing/upstream.ts';

const { system, upstream } = await servedChats();

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const approval = { type: 'test.approval', input: { questions: ['may I?'], expires_in_ms: 600_000 } };
const cancel = (id: string) => post(system.url, `/tasks/${id}/cancel`, '');
const retry = (id: string) => post(system.url, `/tasks/${id}/retry`, '');

async function untilEvent(id: string, wanted: string) {
  for await (const event of events(system.url, id)) if (event.type === wanted) return event;
  throw new Error(`no ${wanted}`);
}

/** Makes a task that is in a state, and stays there until the test does something. */
const inState: Record<string, () => Promise<string>> = {
  scheduled: () => submit(system.url, chat('x', { delay_ms: 600_000 })),
  async in_progress() {
    upstream.answer = (call) => call.text('partly ');
    const id = await submit(system.url);
    await untilEvent(id, 'text');
    return id;
  },
  async input_required() {
    const id = await submit(system.url, approval, '/tasks');
    await untilEvent(id, 'human_approval');
    return id;
  },
  async completed() {
    const id = await submit(system.url);
    await followToEnd(system.url, id);
    return id;
  },
  async failed() {
    upstream.answer = (call) => call.refuse(400);
    const id = await submit(system.url);
    await followToEnd(system.url, id);
    return id;
  },
  async cancelled() {
    const id = await submit(system.url, chat('x', { delay_ms: 600_000 }));
    await cancel(id);
    return id;
  },
  async expired() {
    const id = await submit(
      system.url,
      { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 10 } },
      '/tasks',
    );
    await followToEnd(system.url, id);
    return id;
  },
};
const ended = ['completed', 'failed', 'cancelled', 'expired'];

test('a completed task reads with every field of the contract', async () => {
  const id = await submit(system.url, chat('hi', { priority: 'high', metadata: { a: 'b' } }));
  const seen = await followToEnd(system.url, id);
  const { status, headers, json } = await getTask(system.url, id);
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.ok(headers.get('x-request-id'));
  for (const name of ['created_at', 'started_at', 'ended_at']) assert.match(json[name], ISO);
  assert.ok(json.created_at <= json.started_at && json.started_at <= json.ended_at);
  assert.equal(json.wait_ms, Date.parse(json.started_at) - Date.parse(json.created_at));
  assert.equal(json.run_ms, Date.parse(json.ended_at) - Date.parse(json.started_at));
  const self = `/tasks/${id}`;
  assert.deepEqual(json, {
    task_id: id,
    type: 'chat.request',
    status: 'completed',
    attempt: 1,
    failures: 0,
    max_attempts: 3,
    priority: 600,
    created_at: json.created_at,
    started_at: json.started_at,
    ended_at: json.ended_at,
    wait_ms: json.wait_ms,
    run_ms: json.run_ms,
    progress: null,
    output: { role: 'assistant', content: 'w0 w1 w2 ', model: 'test', provider: 'openai', finish_reason: 'stop' },
    error: null,
    usage: { input_tokens: 7, output_tokens: 3, total_tokens: 10 },
    metadata: { a: 'b' },
    last_event_id: seen.at(-1)?.id,
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  });
});

test('a task before its first attempt has attempt 0 and null for all that has not happened', async () => {
  const { json } = await getTask(system.url, (await inState.scheduled?.()) ?? '');
  assert.equal(json.status, 'scheduled');
  assert.equal(json.attempt, 0);
  assert.equal(json.run_ms, 0);
  for (const name of ['started_at', 'ended_at', 'wait_ms', 'progress', 'output', 'error', 'usage']) {
    assert.equal(json[name], null, name);
  }
});

test('a failed task keeps its partial output, marked incomplete, and says its error; so does a cancelled one, without error', async () => {
  upstream.answer = (call) => {
    call.text('half an answer');
    call.data({ error: { message: 'secret words of the provider', code: 400 } });
    call.response.end();
  };
  const failed = await submit(system.url, chat('x', { max_attempts: 1 }));
  await followToEnd(system.url, failed);
  const read = (await getTask(system.url, failed)).json;
  assert.equal(read.status, 'failed');
  assert.equal(read.output.content, 'half an answer');
  assert.equal(read.output.finish_reason, 'incomplete');
  assert.deepEqual(Object.keys(read.error), ['code', 'message']);

  const running = (await inState.in_progress?.()) ?? '';
  await cancel(running);
  await followToEnd(system.url, running);
  const cancelled = (await getTask(system.url, running)).json;
  assert.equal(cancelled.status, 'cancelled');
  assert.equal(cancelled.output.content, 'partly ');
  assert.equal(cancelled.output.finish_reason, 'incomplete');
  assert.equal(cancelled.error, null);
  assert.match(cancelled.cancel_requested_at, ISO);
});

test('a task that waits for a person shows what is asked, and when', async () => {
  const id = (await inState.input_required?.()) ?? '';
  const { json } = await getTask(system.url, id);
  const asked = await untilEvent(id, 'human_approval');
  assert.deepEqual(json.approval, asked.data);
  assert.deepEqual(json.approval.actions, ['run', 'deny', 'cancel', 'change_tool']);
  assert.equal(json.approval.tool, 'may I?');
  assert.match(json.approval.expires_at, ISO);
  assert.match(json.input_required_at, ISO);
});

describe('cancel', () => {
  for (const state of ['scheduled', 'input_required']) {
    test(`a task that is ${state} ends as cancelled at once, and again is 200 with the task`, async () => {
      const id = (await inState[state]?.()) ?? '';
      const first = await cancel(id);
      assert.equal(first.status, 202);
      assert.equal(first.json.status, 'cancelled');
      assert.match(first.json.cancel_requested_at, ISO);
      const second = await cancel(id);
      assert.equal(second.status, 200);
      const { json } = await getTask(system.url, id);
      assert.deepEqual(second.json, json);
      assert.equal(json.status, 'cancelled');
      assert.equal(json.error, null);
      assert.equal(json.cancel_requested_at, first.json.cancel_requested_at);
      await checkEnded(system.url, id, await followToEnd(system.url, id));
    });
  }

  test('a running task stays in_progress until its attempt has stopped; asked twice, it tells the first time', async () => {
    const id = (await inState.in_progress?.()) ?? '';
    const call = upstream.calls.at(-1);
    const answers = await Promise.all([cancel(id), cancel(id), cancel(id)]);
    const marked = answers.filter(({ status }) => status === 202);
    assert.ok(marked.length >= 1);
    assert.equal(new Set(marked.map(({ json }) => json.cancel_requested_at)).size, 1);
    for (const { json } of marked) assert.equal(json.status, 'in_progress');
    await checkEnded(system.url, id, await followToEnd(system.url, id));
    await call?.closed;
    const after = await cancel(id);
    assert.equal(after.status, 200);
    assert.equal(after.json.status, 'cancelled');
  });

  for (const state of ended) {
    test(`a task that is ${state} stays so: 200 with the task, however often`, async () => {
      const id = (await inState[state]?.()) ?? '';
      const before = (await getTask(system.url, id)).json;
      assert.equal(before.status, state);
      for (let i = 0; i < 2; i++) {
        const answer = await cancel(id);
        assert.equal(answer.status, 200);
        assert.deepEqual(answer.json, before);
      }
    });
  }
});

describe('retry', () => {
  for (const state of ['scheduled', 'in_progress', 'input_required']) {
    test(`of a task that is ${state} is a conflict, and changes nothing`, async () => {
      const id = (await inState[state]?.()) ?? '';
      const answer = await retry(id);
      assertProblem(answer, 409, 'conflict');
      assert.equal(answer.headers.get('x-should-retry'), 'false');
      assert.equal((await getTask(system.url, id)).json.status, state);
      await cancel(id);
    });
  }

  for (const state of ended) {
    test(`of a task that is ${state} is a new task of the same input and options, linked to it`, async () => {
      const id = (await inState[state]?.()) ?? '';
      const old = (await getTask(system.url, id)).json;
      upstream.answer = slowWords(2, 0);
      const answer = await retry(id);
      assert.equal(answer.status, 202);
      assert.notEqual(answer.json.task_id, id);
      assert.equal(answer.headers.get('location'), `/tasks/${answer.json.task_id}`);
      const fresh = (await getTask(system.url, answer.json.task_id)).json;
      assert.equal(fresh.retry_of, id);
      for (const name of ['type', 'priority', 'metadata', 'max_attempts']) assert.deepEqual(fresh[name], old[name]);
      const seen = await followToEnd(system.url, answer.json.task_id);
      await checkEnded(system.url, answer.json.task_id, seen);
      assert.deepEqual((await getTask(system.url, id)).json, old, 'the old task stays as it was');
    });
  }
});
