import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { chat, events, followToEnd, getTask, post, readStream, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
let other: string;
before(async () => {
  upstream = await startUpstream();
  system = await startInProcess({ env: upstream.env, apis: 2 });
  other = system.apis[1]?.url ?? '';
});
after(async () => {
  await system.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.answer = slowWords(3, 0);
});

let keys = 0;
const newKey = () => `key-${++keys}`;
const withKey = (key: string, more: Record<string, string> = {}) => ({ 'Idempotency-Key': key, ...more });
const replayed = (answer: { headers: Headers }) => answer.headers.get('idempotency-replayed');

async function keysLike(pattern: string): Promise<number> {
  const found = await system.redis.cli('--scan', '--pattern', pattern);
  return found === '' ? 0 : found.split('\n').length;
}

describe('the same request under the same key is the same task', () => {
  const options = { temperature: 0.5, metadata: { a: '1', b: '2' } };
  for (const [how, path, body] of [
    ['the same bytes', '/api/chat', JSON.stringify(chat('hi', options))],
    [
      'fields in another order, with spaces',
      '/api/chat',
      '{ "metadata": {"b":"2", "a":"1"}, "temperature": 0.50, "messages": [{"content":"hi","role":"user"}] }',
    ],
    ['escaped characters', '/api/chat', JSON.stringify(chat('hi', options)).replace('hi', '\\u0068\\u0069')],
    ['defaults written out', '/api/chat', chat('hi', { ...options, priority: 'normal' })],
    [
      'POST /tasks',
      '/tasks',
      { type: 'chat.request', input: chat('hi', { temperature: 0.5 }), metadata: options.metadata },
    ],
  ] as const) {
    test(how, async () => {
      const key = newKey();
      const first = await post(system.url, '/api/chat', chat('hi', options), withKey(key));
      assert.equal(first.status, 202);
      assert.equal(replayed(first), null);
      for (const url of [system.url, other]) {
        const again = await post(url, path, body, withKey(key));
        assert.equal(again.status, 202, again.text);
        assert.equal(replayed(again), 'true');
        assert.equal(again.json.task_id, first.json.task_id);
        assert.equal(again.json.created_at, first.json.created_at);
        assert.equal(again.headers.get('location'), first.headers.get('location'));
      }
    });
  }
});

describe('another request under a used key is refused, and clients are told not to retry', () => {
  for (const [what, path, body] of [
    ['another text', '/api/chat', chat('ho')],
    ['another option', '/api/chat', chat('hi', { priority: 'high' })],
    ['another input field', '/api/chat', chat('hi', { temperature: 0 })],
    ['metadata', '/api/chat', chat('hi', { metadata: { a: 'b' } })],
    ['another type', '/tasks', { type: 'test.approval', input: { questions: ['hi'] } }],
  ] as const) {
    test(what, async () => {
      const key = newKey();
      await post(system.url, '/api/chat', chat('hi'), withKey(key));
      const answer = await post(other, path, body, withKey(key));
      assertProblem(answer, 422, 'idempotency_conflict');
      assert.equal(answer.headers.get('x-should-retry'), 'false');
      assert.equal((await post(other, '/api/chat', chat('hi'), withKey(key))).status, 202, 'the first stays');
    });
  }
});

test('fifty racers with one key over two APIs make one task, and leave one record and one input', async () => {
  const count = async () => ({
    records: await keysLike(`${system.prefix}:{0}:task:*`),
    inputs: await keysLike(`${system.prefix}:{0}:input:*`),
    listed: Number(await system.redis.cli('ZCARD', `${system.prefix}:{0}:owner:local`)),
  });
  const before = await count();
  const key = newKey();
  const body = chat('x'.repeat(10_000));
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => post(i % 2 ? system.url : other, '/api/chat', body, withKey(key))),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  const ids = new Set(answers.map(({ json }) => json.task_id));
  assert.equal(ids.size, 1);
  assert.equal(answers.filter((answer) => replayed(answer) === null).length, 1);
  const now = await count();
  assert.deepEqual(
    { records: now.records - before.records, inputs: now.inputs - before.inputs, listed: now.listed - before.listed },
    { records: 1, inputs: 1, listed: 1 },
  );
  for (const id of ids) await followToEnd(system.url, id);
  // Calls of earlier tests, whose tasks nobody followed, may still come.
  const own = upstream.calls.filter((call) => call.body.messages[0]?.content === body.messages[0]?.content);
  assert.equal(own.length, 1);
});

test('racers with one key and different bodies make one task; the others are refused', async () => {
  const key = newKey();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      post(i % 2 ? system.url : other, '/api/chat', chat(`body ${i}`), withKey(key)),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 202).length, 1);
  assert.equal(answers.filter(({ status }) => status === 422).length, 19);
});

test('requests without a key are never the same', async () => {
  const ids = await Promise.all(Array.from({ length: 5 }, () => submit(system.url, chat('same'))));
  assert.equal(new Set(ids).size, 5);
});

test('a refused request does not claim its key', async () => {
  for (const [path, body, status] of [
    ['/api/chat', chat('hi', { priority: 'urgent' }), 400],
    ['/api/chat', '{', 400],
    ['/tasks', { type: 'nothing', input: {} }, 400],
    ['/api/chat', chat('x'.repeat(11_000_000)), 413],
  ] as const) {
    const key = newKey();
    assert.equal((await post(system.url, path, body, withKey(key))).status, status);
    const good = await post(system.url, '/api/chat', chat('good'), withKey(key));
    assert.equal(good.status, 202);
    assert.equal(replayed(good), null);
  }
});

test('a failed task keeps its key, and a retry of it has another', async () => {
  upstream.answer = (call) => call.refuse(400);
  const key = newKey();
  const first = await post(system.url, '/api/chat', chat('fails'), withKey(key, { Prefer: 'wait=30' }));
  assert.equal(first.json.status, 'failed', first.text);
  const id = first.json.task_id;
  const again = await post(other, '/api/chat', chat('fails'), withKey(key));
  assert.equal(again.status, 202);
  assert.equal(again.json.task_id, id);
  assert.equal(again.json.status, 'failed');
  assert.equal(replayed(again), 'true');

  const retryKey = newKey();
  const retry = await post(system.url, `/tasks/${id}/retry`, '', withKey(retryKey));
  assert.equal(retry.status, 202);
  assert.notEqual(retry.json.task_id, id);
  const twice = await post(system.url, `/tasks/${id}/retry`, '', withKey(retryKey));
  assert.equal(twice.json.task_id, retry.json.task_id);
  assert.equal(replayed(twice), 'true');
  assertProblem(await post(system.url, `/tasks/${id}/retry`, '', withKey(key)), 422, 'idempotency_conflict');
});

test('a cancelled task keeps its key', async () => {
  const key = newKey();
  const { json } = await post(system.url, '/api/chat', chat('x', { delay_ms: 600_000 }), withKey(key));
  await post(system.url, json.urls.cancel, '');
  const again = await post(system.url, '/api/chat', chat('x', { delay_ms: 600_000 }), withKey(key));
  assert.equal(again.json.task_id, json.task_id);
  assert.equal(again.json.status, 'cancelled');
});

test('a replay says the status of now, and with Prefer: wait gives 200 as soon as the task has ended', async () => {
  const go = Promise.withResolvers<void>();
  upstream.answer = async (call) => {
    call.text('a');
    await go.promise;
    call.finish();
  };
  const key = newKey();
  const first = await post(system.url, '/api/chat', chat('waits'), withKey(key));
  const id = first.json.task_id;
  for await (const { type } of events(system.url, id)) if (type === 'text') break;
  const running = await post(system.url, '/api/chat', chat('waits'), withKey(key));
  assert.equal(running.json.status, 'in_progress');
  const waiting = post(other, '/api/chat', chat('waits'), withKey(key, { Prefer: 'wait=30' }));
  go.resolve();
  for (const answer of [
    await waiting,
    await post(other, '/api/chat', chat('waits'), withKey(key, { Prefer: 'wait=30' })),
  ]) {
    assert.equal(answer.status, 200);
    assert.equal(replayed(answer), 'true');
    assert.equal(answer.headers.get('preference-applied'), 'wait=30');
    assert.deepEqual(answer.json, (await getTask(system.url, id)).json);
  }
});

test('a replay with Prefer: wait is not held up by an approval that was answered before', async () => {
  const body = {
    type: 'test.approval',
    input: { questions: ['a', 'b'], expires_in_ms: [300, 600_000], on_expiry: 'resume' },
  };
  const key = newKey();
  const { json } = await post(system.url, '/tasks', body, withKey(key));
  for await (const { type } of events(system.url, json.task_id)) if (type === 'resumed') break;
  const again = await post(system.url, '/tasks', body, withKey(key, { Prefer: 'wait=30' }));
  assert.equal(again.json.status, 'input_required', again.text);
});

test('a replay that accepts an event stream gets the events from the first on', async () => {
  const key = newKey();
  const first = await post(system.url, '/api/chat', chat('stream'), withKey(key));
  const whole = await followToEnd(system.url, first.json.task_id);
  const response = await fetch(`${other}/api/chat`, {
    method: 'POST',
    headers: withKey(key, { 'Content-Type': 'application/json', Accept: 'text/event-stream' }),
    body: JSON.stringify(chat('stream')),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('idempotency-replayed'), 'true');
  assert.equal(response.headers.get('x-task-id'), first.json.task_id);
  assert.equal(response.headers.get('location'), `/tasks/${first.json.task_id}`);
  assert.deepEqual(await Array.fromAsync(readStream(response)), whole);
});

test('a malformed key is refused by name; the longest allowed one is taken', async () => {
  for (const key of ['', 'a b', 'k'.repeat(256), '\u00e9', 'a\tb']) {
    const answer = await post(system.url, '/api/chat', chat(), withKey(key));
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), ['Idempotency-Key']);
  }
  for (const key of ['k'.repeat(255), '!', '"quoted"', 'bl:{0}:task:*']) {
    assert.equal((await post(system.url, '/api/chat', chat(), withKey(key))).status, 202);
  }
});
