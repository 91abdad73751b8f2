import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { ask, assertProblem, badPaths, eventually, followedTasks } from '../../../../scripts/testing/raw.ts';
import { servedChats } from '../../../../scripts/testing/served-chats.ts';

const { system, upstream } = await servedChats();

const wait = (value: string) => ({ Prefer: value });
const approval = { type: 'test.approval', input: { questions: ['may I?'], expires_in_ms: 30_000 } };

test('Prefer: wait gives 200 with the finished task as soon as it has ended, and says what it waited', async () => {
  for (const [prefer, applied] of [
    ['wait=30', 'wait=30'],
    ['respond-async, wait=20', 'wait=20'],
    ['wait = "50"', 'wait=50'],
    ['wait=3600', 'wait=60'],
  ] as const) {
    const answer = await post(system.url, '/api/chat', chat(), wait(prefer));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('preference-applied'), applied);
    assert.equal(answer.headers.get('location'), `/tasks/${answer.json.task_id}`);
    assert.ok(answer.headers.get('x-request-id'));
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    assert.deepEqual(answer.json, (await getTask(system.url, answer.json.task_id)).json);
    assert.equal(answer.json.status, 'completed');
    assert.equal(answer.json.output.content, 'w0 w1 w2 ');
  }
});

test('Prefer: wait gives 200 with a failed and with a cancelled task too', async () => {
  upstream.answer = (call) => call.refuse(400);
  const failed = await post(system.url, '/api/chat', chat(), wait('wait=30'));
  assert.equal(failed.status, 200);
  assert.equal(failed.json.error.code, 'provider_refused');

  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const pending = post(system.url, '/api/chat', chat('to be cancelled'), wait('wait=30'));
  await upstream.call(number);
  const listed = (await ask(`${system.url}/tasks?status=in_progress&limit=1`)).json;
  await post(system.url, listed.tasks[0].urls.cancel, '');
  assert.equal((await pending).status, 200);
  assert.equal((await pending).json.status, 'cancelled');
});

test('a task that does not end within the wait is answered 202 with its status of then, and goes on', async () => {
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const again = (prefer: string) =>
    post(system.url, '/api/chat', chat(), { ...wait(prefer), 'Idempotency-Key': 'outlasts-its-wait' });
  await again('respond-async');
  const call = await upstream.call(number);
  const startedAt = performance.now();
  const longer = again('wait=60');
  const answer = await Promise.race([again('wait=1'), longer]);
  const tookMs = performance.now() - startedAt;
  assert.equal(answer.status, 202);
  assert.ok(tookMs >= 900, `${tookMs} ms`);
  assert.equal(answer.json.status, 'in_progress');
  assert.equal(answer.headers.get('preference-applied'), null);
  call.text('late');
  call.finish();
  assert.equal((await longer).status, 200, 'the longer one waits on');
  assert.equal((await followToEnd(system.url, answer.json.task_id)).at(-1)?.data.status, 'completed');
});

test('a Prefer without a wait of at least a second is answered 202 at once', async () => {
  upstream.answer = () => undefined;
  for (const prefer of ['wait=0', 'wait=-5', 'wait', 'respond-async', 'wait=soon', 'nowait=30']) {
    const number = upstream.calls.length + 1;
    const { status, json } = await post(system.url, '/api/chat', chat(), wait(prefer));
    assert.equal(status, 202, prefer);
    // Else its call may come while the next test waits for its own.
    const call = await upstream.call(number);
    call.text('at last');
    call.finish();
    await followToEnd(system.url, json.task_id);
  }
});

test('a wait ends at once with 202 when the task waits for a person', async () => {
  const answer = await post(system.url, '/tasks', approval, wait('wait=60'));
  // One that waited on would be told 200 when the approval has expired.
  assert.equal(answer.status, 202);
  assert.equal(answer.json.status, 'input_required');
  assert.equal((await getTask(system.url, answer.json.task_id)).json.status, 'input_required');
});

test('a client that leaves while it waits cancels nothing', async () => {
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const leaving = new AbortController();
  const pending = fetch(`${system.url}/api/chat`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { 'Content-Type': 'application/json', Prefer: 'wait=60' },
    body: JSON.stringify(chat('left alone')),
  });
  const call = await upstream.call(number);
  const listed = (await ask(`${system.url}/tasks?status=in_progress&limit=1`)).json;
  leaving.abort();
  await assert.rejects(pending);
  call.text('done anyway');
  call.finish();
  const id = listed.tasks[0].task_id;
  assert.equal((await followToEnd(system.url, id)).at(-1)?.data.output.content, 'done anyway');
  await eventually(
    () => followedTasks(system.url),
    (followed) => followed === 0,
  );
});

test('a wait or a cursor that is none is refused by name', async () => {
  const id = await submit(system.url);
  for (const [query, path] of [
    ['?wait=61', 'wait'],
    ['?wait=-1', 'wait'],
    ['?wait=1.5', 'wait'],
    ['?wait=', 'wait'],
    ['?wait=long', 'wait'],
    ['?after=1', 'after'],
    ['?after=', 'after'],
    ['?after=1-2-3', 'after'],
    ['?after=-1-1', 'after'],
    ['?after=1-1234567890123456', 'after'],
  ] as const) {
    const answer = await getTask(system.url, id, query);
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), [path], query);
  }
});
