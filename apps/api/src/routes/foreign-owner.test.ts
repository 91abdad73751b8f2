import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { timeOf } from '@beanline/shared/task-id.ts';
import { chat } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { bearer, comparable, keyring, ownerClient } from '../../../../scripts/testing/owners.ts';
import { assertProblem, longPast } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient, UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';
import { taskRequests, UNKNOWN_TASK } from '../../../../scripts/testing/task-requests.ts';

const ANNA = 'anna-key-0123456789';
const BEN = 'ben-key-0123456789';

let system: InProcess;
let anna: ReturnType<typeof ownerClient>;
let ben: ReturnType<typeof ownerClient>;
before(async () => {
  system = await startInProcess({ relays: 0, env: { API_KEYS: `anna:${ANNA}, ben:${BEN}` } });
  anna = ownerClient(system.url, ANNA);
  ben = ownerClient(system.url, BEN);
});
after(() => system.stop());

/** A task of Anna's in each state that reads and verbs tell apart. */
async function annasTasks(): Promise<Record<string, string>> {
  const ended = await anna.post('/api/chat', chat('hello'), { Prefer: 'wait=30' });
  assert.equal(ended.status, 200);
  const approval = { type: 'test.approval', input: { questions: ['may I?'], expires_in_ms: 600_000 } };
  const parked = await anna.post('/tasks', approval, { Prefer: 'wait=30' });
  assert.equal(parked.json.status, 'input_required');
  return {
    scheduled: await anna.submit('later', { delay_ms: 600_000 }),
    completed: ended.json.task_id,
    input_required: parked.json.task_id,
  };
}

describe("another owner's task answers as one that does not exist, in the same bytes, and is left alone:", () => {
  let tasks: Record<string, string> = {};
  before(async () => {
    tasks = await annasTasks();
  });
  test('these requests are to every route of a task', async () => {
    const { paths } = (await anna.get('/openapi.json')).json;
    const known = new Set(taskRequests.map(([method, suffix]) => `${method} ${suffix.replace(/\?.*/, '')}`));
    const routes = Object.entries<object>(paths).flatMap(([path, methods]) => {
      if (!path.startsWith('/tasks/{id}')) return [];
      const suffix = path.slice('/tasks/{id}'.length).replace('{approval}', 'appr_0');
      return Object.keys(methods).map((method) => `${method.toUpperCase()} ${suffix}`);
    });
    assert.ok(routes.length >= 5, `${routes}`);
    for (const route of routes) assert.ok(known.has(route), `no request to ${route}`);
  });
  for (const [method, suffix, headers, body] of taskRequests) {
    test(`${method} /tasks/<id>${suffix} ${JSON.stringify(headers)}`, async () => {
      const ask = (id: string) => ben.call(method, `/tasks/${id}${suffix}`, headers, body);
      const unknown = await ask(UNKNOWN_TASK);
      if (method !== 'HEAD') assertProblem(unknown, 404, 'not_found');
      for (const [status, id] of Object.entries(tasks)) {
        const before = await anna.get(`/tasks/${id}`);
        assert.equal(before.json.status, status);
        assert.equal(comparable(await ask(id)), comparable(unknown));
        assert.deepEqual((await anna.get(`/tasks/${id}`)).json, before.json);
      }
    });
  }
});

test('a list holds the own tasks only, also from a cursor that is a foreign id', async () => {
  const foreign = await anna.submit('hers', { delay_ms: 600_000 });
  await longPast(timeOf(foreign) ?? 0);
  const own = await ben.submit('his', { delay_ms: 600_000 });
  await longPast(timeOf(own) ?? 0);
  const later = await anna.submit('hers', { delay_ms: 600_000 });
  for (const query of ['', '?status=scheduled', '?type=chat.request', `?cursor=${later}`]) {
    const { json } = await ben.get(`/tasks${query}`);
    assert.deepEqual(
      json.tasks.map(({ task_id }: { task_id: string }) => task_id),
      [own],
    );
  }
  assert.deepEqual((await ben.get(`/tasks?cursor=${foreign}`)).json, { tasks: [], next_cursor: null });
  assert.ok((await anna.get('/tasks')).json.tasks.every(({ task_id }: { task_id: string }) => task_id !== own));
});

test('one Idempotency-Key of two owners is two keys', async () => {
  const headers = { 'Idempotency-Key': 'the-same' };
  const first = await anna.post('/api/chat', chat('hers', { delay_ms: 600_000 }), headers);
  const second = await ben.post('/api/chat', chat('his'), headers);
  assert.deepEqual([first.status, second.status], [202, 202]);
  assert.notEqual(first.json.task_id, second.json.task_id);
  assert.equal(second.headers.get('idempotency-replayed'), null);
  const replay = await anna.post('/api/chat', chat('hers', { delay_ms: 600_000 }), headers);
  assert.equal(replay.json.task_id, first.json.task_id);
  assert.equal(replay.headers.get('idempotency-replayed'), 'true');
});

test('the owner of a task reads, follows, cancels and retries it with any of his keys', async () => {
  const id = await ben.submit('his', { delay_ms: 600_000 });
  const { json } = await ben.get(`/tasks/${id}`);
  assert.equal(json.status, 'scheduled');
  assert.equal((await ben.post(`/tasks/${id}/cancel`, {})).status, 202);
  const text = await (await ben.stream(id)).text();
  assert.match(text, /event: done\ndata: .*"cancelled"/);
  const retried = await ben.post(`/tasks/${id}/retry`, {});
  assert.equal(retried.status, 202);
  assert.equal((await ben.get(`/tasks/${retried.json.task_id}?wait=30`)).json.retry_of, id);
});

test("another owner's session answers as one that does not exist, cached or not, and is in no list or search of his", async () => {
  const [hers, his] = [sessionClient(system.url, bearer(ANNA)), sessionClient(system.url, bearer(BEN))];
  const id = await hers.create({ title: 'secret plan' });
  const message = await hers.say(id, 'secret words');
  const own = await his.create({ title: 'his secret' });
  const body = { role: 'user', content: 'x' };
  const requests: [string, string, unknown?, Record<string, string>?][] = [
    ['GET', ''],
    ['HEAD', ''],
    ['GET', '/messages'],
    ['GET', '/messages?limit=200'],
    ['GET', `/messages?before=${message}`],
    ['GET', '/summary'],
    ['POST', '/messages', body],
    ['POST', '/messages', body, { 'Idempotency-Key': 'foreign' }],
    ['PATCH', '/title', { title: 'stolen' }],
    ['PATCH', '/title?title=stolen'],
    ['DELETE', ''],
  ];
  for (const warm of [false, true]) {
    // Cached by whom it belongs to.
    if (warm) assert.equal((await hers.get(`/${id}`)).status, 200);
    for (const [method, suffix, given, headers] of requests) {
      const ask = (session: string) => his.call(method, `${SESSIONS}/${session}${suffix}`, given, headers);
      const unknown = await ask(UNKNOWN_SESSION);
      if (method !== 'HEAD') assertProblem(unknown, 404, 'not_found');
      assert.equal(comparable(await ask(id)), comparable(unknown), `${method} ${suffix}`);
    }
  }
  const { session } = (await hers.get(`/${id}`)).json;
  assert.deepEqual([session.title, session.message_count], ['secret plan', 1]);
  for (const query of ['', '?query=secret', '?query=words', '?query=secret&sort_by=created_at']) {
    const listed = (await his.get(query)).json.sessions.map(({ session_id }: { session_id: string }) => session_id);
    assert.deepEqual(listed, query === '?query=words' ? [] : [own], query);
  }
});

test('a key that may only read changes nothing of a session, and one that may only submit sees nothing of it', async () => {
  const keys = keyring(system.redis.url, system.prefix);
  const [reader, writer] = await Promise.all([
    keys.create('anna', { scopes: ['read'] }),
    keys.create('anna', { scopes: ['submit'] }),
  ]);
  keys.close();
  const [reads, writes] = [reader, writer].map(({ token }) => sessionClient(system.url, bearer(token))) as [
    ReturnType<typeof sessionClient>,
    ReturnType<typeof sessionClient>,
  ];
  const id = await writes.create({ title: 'hers' });
  const said = await writes.call('POST', `${SESSIONS}/${id}/messages`, { role: 'user', content: 'x' });
  assert.deepEqual([said.status, Object.keys(said.json)], [201, ['message']]);
  const preferences = '/api/chat/preferences';
  for (const path of [
    SESSIONS,
    `${SESSIONS}/${id}`,
    `${SESSIONS}/${id}/messages`,
    `${SESSIONS}/${id}/summary`,
    preferences,
  ]) {
    assertProblem(await writes.call('GET', path), 403, 'forbidden');
    assert.equal((await reads.call('GET', path)).status, 200);
  }
  for (const [method, path, body] of [
    ['POST', SESSIONS, {}],
    ['POST', `${SESSIONS}/${id}/messages`, { role: 'user', content: 'x' }],
    ['PATCH', `${SESSIONS}/${id}/title`, { title: 'x' }],
    ['DELETE', `${SESSIONS}/${id}`, undefined],
    ['PUT', preferences, {}],
    ['DELETE', preferences, undefined],
  ] as const) {
    assertProblem(await reads.call(method, path, body), 403, 'forbidden');
  }
  const { session } = (await reads.get(`/${id}`)).json;
  assert.deepEqual([session.title, session.message_count], ['hers', 1]);
});

test("another owner's session that is busy answers as one that does not exist, however the submit would meet it", async () => {
  const session_id = await sessionClient(system.url, bearer(ANNA)).create();
  const input = { until: 'stop', session_id };
  const running = (await anna.post('/tasks', { type: 'test.turns', input })).json.task_id;
  for (const on_busy of ['parallel', 'queue', 'reject', 'interrupt', 'steer'])
    for (const type of ['test.turns', 'chat.request']) {
      const ask = (id: string) => {
        const own = type === 'test.turns' ? { until: 'stop', session_id: id } : chat('x', { session_id: id });
        return ben.post('/tasks', { type, input: own, on_busy });
      };
      const [foreign, unknown] = [await ask(session_id), await ask(UNKNOWN_SESSION)];
      assertProblem(foreign, 404, 'not_found');
      assert.deepEqual(comparable(foreign), comparable(unknown), `${type} ${on_busy}`);
    }
  const { json } = await anna.get(`/tasks/${running}`);
  assert.deepEqual([json.cancel_requested_at ?? null, json.unread_messages ?? 0], [null, 0]);
  await anna.post('/tasks', { type: 'test.turns', input, on_busy: 'steer' });
  assert.equal((await anna.get(`/tasks/${running}?wait=60`)).json.task_id, running);
});
