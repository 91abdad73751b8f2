import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chat, checkEnded, followToEnd, readStream } from '../../../../scripts/testing/client.ts';
import { assertProblem, eventually, followedTasks } from '../../../../scripts/testing/raw.ts';
import { servedChats } from '../../../../scripts/testing/served-chats.ts';
import { slowWords } from '../../../../scripts/testing/upstream.ts';

const { system, upstream } = await servedChats(slowWords(5, 5));

const postStream = (body: unknown, more: RequestInit = {}) =>
  fetch(`${system.url}/api/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(body),
    ...more,
  });

describe('a submit that accepts an event stream', () => {
  test('is answered with the events of its task from `queued` to `done`, and where to find it', async () => {
    const response = await postStream(chat(), {
      headers: { 'Content-Type': 'application/json', Accept: 'text/html, text/event-stream;q=0.9', Prefer: 'wait=30' },
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const id = response.headers.get('x-task-id') ?? '';
    assert.equal(response.headers.get('location'), `/tasks/${id}`);
    assert.ok(response.headers.get('x-request-id'));
    assert.equal(response.headers.get('preference-applied'), null);
    const seen = await Array.fromAsync(readStream(response));
    assert.equal(seen[0]?.type, 'queued');
    await checkEnded(system.url, id, seen);
  });

  test('is answered problem+json when it is refused', async () => {
    const response = await postStream(chat('x', { priority: 'urgent' }));
    assertProblem(
      { status: response.status, headers: response.headers, json: await response.json() },
      400,
      'invalid_request',
    );
  });

  test('may be left by its client: the task goes on to its end', async () => {
    upstream.answer = () => undefined;
    const number = upstream.calls.length + 1;
    const leaving = new AbortController();
    const response = await postStream(chat(), { signal: leaving.signal });
    const call = await upstream.call(number);
    leaving.abort();
    await assert.rejects(response.text());
    await eventually(
      () => followedTasks(system.url),
      (followed) => followed === 0,
    );
    call.text('nobody listens');
    call.finish();
    const seen = await followToEnd(system.url, response.headers.get('x-task-id') ?? '');
    assert.equal(seen.at(-1)?.data.status, 'completed');
  });
});
