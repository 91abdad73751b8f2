/** Keys with the scope `admin`: they read, cancel and retry the tasks of every owner. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Scope } from '@beanline/shared/owner.ts';
import { leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { comparable, keyring, ownerClient } from '../../../../scripts/testing/owners.ts';
import { ask, assertProblem, badPaths, eventually } from '../../../../scripts/testing/raw.ts';

type Client = ReturnType<typeof ownerClient>;

let system: InProcess;
let keys: ReturnType<typeof keyring>;
let anna: Client;
let admin: Client;
before(async () => {
  system = await startInProcess({ env: SHORT_RETENTION });
  keys = keyring(system.redis.url, system.prefix);
  anna = await client('anna', 'submit', 'read');
  admin = await client('ops', 'admin');
  await eventually(
    async () => (await ask(`${system.url}/tasks`)).status,
    (status) => status === 401,
  );
});
after(async () => {
  keys.close();
  await system.stop();
});

const client = async (owner: string, ...scopes: Scope[]) =>
  ownerClient(system.url, (await keys.create(owner, { scopes })).token);
const UNKNOWN = `task_${'0'.repeat(25)}`;

async function annasEnded(content = 'hello'): Promise<string> {
  const { json } = await anna.post('/api/chat', chat(content), { Prefer: 'wait=30' });
  assert.equal(json.status, 'completed');
  return json.task_id;
}

/** All that is read of a task, by this client. */
const readings = async (by: Client, id: string) => ({
  task: (await by.get(`/tasks/${id}`)).json,
  input: (await by.get(`/tasks/${id}?include=input`)).json.input,
  waited: (await by.get(`/tasks/${id}?wait=5`)).json,
  events: (await by.stream(id).then((response) => response.text())).replace(/retry: \d+/, ''),
});

describe('an admin reads a task of another owner as its owner does', () => {
  test('in Redis, and in the store', async () => {
    const id = await annasEnded();
    assert.deepEqual(await readings(admin, id), await readings(anna, id));
    await leftRedis(system, [id]);
    const archived = await readings(admin, id);
    assert.deepEqual(archived, await readings(anna, id));
    assert.deepEqual(archived.input.messages, chat('hello').messages);
    assert.match(archived.events, /event: done/);
  });

  test('while it waits, and as it ends', async () => {
    const id = await anna.submit('later', { delay_ms: 600_000 });
    const stream = admin.stream(id).then((response) => response.text());
    const cancelled = await admin.post(`/tasks/${id}/cancel`, {});
    assert.deepEqual([cancelled.status, cancelled.json.status], [202, 'cancelled']);
    assert.match(await stream, /event: done\ndata: .*"cancelled"/);
    assert.equal((await anna.get(`/tasks/${id}`)).json.status, 'cancelled');
    const again = await admin.post(`/tasks/${id}/cancel`, {});
    assert.deepEqual([again.status, again.json.task_id], [200, id]);
  });
});

test("an admin's retry makes a task of the owner, wherever the first one is", async () => {
  const id = await annasEnded('retry me');
  for (const archived of [false, true]) {
    if (archived) await leftRedis(system, [id]);
    for (const headers of [{}, { Prefer: 'wait=30' }, { Accept: 'text/event-stream' }, { 'Idempotency-Key': 'mine' }]) {
      const answer = await admin.post(`/tasks/${id}/retry`, {}, headers as Record<string, string>);
      assert.ok(answer.status === 202 || answer.status === 200, answer.text);
      const retried = answer.headers.get('location')?.split('/').at(-1) ?? '';
      const hers = await anna.get(`/tasks/${retried}?wait=30`);
      assert.deepEqual([hers.status, hers.json.retry_of], [200, id]);
      const listed = (await anna.get('/tasks?limit=200')).json.tasks.map(({ task_id }: { task_id: string }) => task_id);
      assert.ok(listed.includes(retried));
    }
  }
  assert.deepEqual((await admin.get('/tasks')).json.tasks, [], 'none is the admin’s own');
});

test('an admin lists the tasks of an owner by name, with every filter, page by page', async () => {
  const marked = { metadata: { list: 'admin' }, delay_ms: 600_000 };
  const ids = [await anna.submit('a', marked), await anna.submit('b', marked)];
  const page = async (query: string) => (await admin.get(`/tasks?owner=anna&metadata.list=admin${query}`)).json;
  const whole = await page('');
  assert.deepEqual(
    whole.tasks.map(({ task_id }: { task_id: string }) => task_id),
    ids.toReversed(),
  );
  const first = await page('&limit=1');
  const second = await page(`&limit=1&cursor=${first.next_cursor}`);
  assert.deepEqual([...first.tasks, ...second.tasks], whole.tasks);
  assert.deepEqual((await page('&status=completed')).tasks, []);
  assert.deepEqual((await admin.get('/tasks?owner=nobody')).json, { tasks: [], next_cursor: null });
  assert.deepEqual((await admin.get('/tasks?owner=ops')).json.tasks, []);
  const bad = await admin.get('/tasks?owner=a:b');
  assertProblem(bad, 400, 'invalid_request');
  assert.deepEqual(badPaths(bad), ['owner']);
});

test('an unknown task is to an admin what it is to everybody', async () => {
  for (const [method, suffix] of [
    ['GET', ''],
    ['GET', '/events'],
    ['POST', '/cancel'],
    ['POST', '/retry'],
  ] as const) {
    const [hers, his] = await Promise.all([
      anna.call(method, `/tasks/${UNKNOWN}${suffix}`),
      admin.call(method, `/tasks/${UNKNOWN}${suffix}`),
    ]);
    assertProblem(his, 404, 'not_found');
    assert.equal(comparable(his), comparable(hers));
  }
});

test('without the scope an owner names himself alone, whether the other one exists or not', async () => {
  const ben = await client('ben', 'submit', 'read');
  const id = await anna.submit('later', { delay_ms: 600_000 });
  assert.equal((await ben.get('/tasks?owner=ben')).status, 200);
  const [known, unknown] = [await ben.get('/tasks?owner=anna'), await ben.get('/tasks?owner=nobody')];
  assertProblem(known, 403, 'forbidden');
  assert.equal(comparable(known), comparable(unknown));
  for (const path of [`/tasks/${id}`, `/tasks/${id}?include=input`])
    assertProblem(await ben.get(path), 404, 'not_found');
  const submits = await client('ben', 'submit');
  assertProblem(await submits.get('/tasks?owner=anna'), 403, 'forbidden');
  assertProblem(await submits.post(`/tasks/${id}/cancel`, {}), 404, 'not_found');
});

test("an admin's sessions and preferences are the owner's of the key, as everybody's", async () => {
  const { json } = await anna.post('/api/chat/sessions', { title: 'hers' });
  assertProblem(await admin.get(`/api/chat/sessions/${json.session.session_id}`), 404, 'not_found');
});

test('an open API has no admin: the tasks of owners whose keys are gone are not shown', async (t) => {
  const prefix = 'open-admin';
  const keyed = await startInProcess({
    runners: 0,
    relays: 0,
    env: { KEY_PREFIX: prefix, API_KEYS: 'anna:anna-key-0123456789' },
  });
  t.after(keyed.stop);
  const hers = await ownerClient(keyed.url, 'anna-key-0123456789').submit('later', { delay_ms: 600_000 });
  const open = await keyed.startApi({ API_KEYS: '' });
  assertProblem(await ask(`${open.url}/tasks/${hers}`), 404, 'not_found');
  assertProblem(await ask(`${open.url}/tasks?owner=anna`), 403, 'forbidden');
});
