/** Query strings: what a route does not take is refused by its name, everywhere an owner's things are asked for. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat, followToEnd, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { comparable, ownerClient } from '../../../../scripts/testing/owners.ts';
import { ask, assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document holds
type Json = any;

let system: InProcess;
let document: Json;
before(async () => {
  system = await startInProcess();
  document = (await ask(`${system.url}/openapi.json`)).json;
});
after(() => system.stop());

const get = (path: string) => ask(`${system.url}${path}`);

test('an unknown parameter is refused by every route that is not public, and by its name', async () => {
  const refused: string[] = [];
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, { security, requestBody }] of Object.entries<Json>(methods)) {
      const at = path.replace(/\{\w+\}/, 'x');
      const { example } = requestBody?.content['application/json'] ?? {};
      const init = example && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(example) };
      const answer = await ask(`${system.url}${at}?state=failed`, { method: method.toUpperCase(), ...init });
      if (security) {
        assert.notEqual(answer.status, 400, path);
        continue;
      }
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(answer.json.errors, [{ path: 'state', message: 'unknown parameter' }]);
      refused.push(`${method} ${path}`);
    }
  }
  assert.ok(refused.includes('get /tasks') && refused.includes('post /api/chat') && refused.length > 15);
});

test('one 400 names what is unknown, what is given twice, and what is bad', async () => {
  const answer = await get('/tasks?state=failed&limit=0&status=failed&status=completed&__proto__=1&%73tatus=failed&x');
  assertProblem(answer, 400, 'invalid_request');
  assert.deepEqual(badPaths(answer), ['state', 'status', '__proto__', 'status', 'x', 'limit']);
  for (const query of ['?metadata.a=1&metadata.a=2', '?metadata=1', '?limit=1&limit=1', '?Limit=1', '?=1']) {
    assertProblem(await get(`/tasks${query}`), 400, 'invalid_request');
  }
  for (const query of ['', '?', '?limit=1', '?metadata.a=1&metadata.b=2', '?metadata.=1', '?metadata.a%20b=%20']) {
    assert.equal((await get(`/tasks${query}`)).status, 200, query);
  }
});

test('the head of a list is refused as the list is', async () => {
  assert.equal((await fetch(`${system.url}/tasks?state=failed`, { method: 'HEAD' })).status, 400);
});

test('probes and caches may put what they like behind a public page', async () => {
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs', '/docs/initializer.js', '/docs/', '/']) {
    const { status } = await fetch(`${system.url}${path}?v=1&v=2&x`, { redirect: 'manual' });
    assert.ok(status === 200 || status === 308, path);
  }
});

test('a task is shown with its input where it is asked for: waiting, running, ended and archived', async (t) => {
  const input = { messages: chat('The bean is green. 🫘').messages, temperature: 0.5 };
  const later = await submit(system.url, { ...input, delay_ms: 600_000 });
  const ended = await submit(system.url, input);
  await followToEnd(system.url, ended);
  const running = (await post(system.url, '/tasks', { type: 'test.once', input: {} })).json.task_id;
  for (const [id, given] of [
    [later, input],
    [ended, input],
    [running, {}],
  ] as const) {
    const plain = (await get(`/tasks/${id}`)).json;
    assert.equal('input' in plain, false);
    const { status, json, headers } = await get(`/tasks/${id}?include=input`);
    assert.deepEqual([status, json.input], [200, given]);
    assert.equal(headers.get('etag') !== null, true);
    assert.equal(json.task_id, id);
  }
  assertProblem(await get(`/tasks/${later}?include=output`), 400, 'invalid_request');
  assertProblem(await get('/tasks?include=input'), 400, 'invalid_request');

  const quick = await startInProcess({ env: SHORT_RETENTION });
  t.after(quick.stop);
  const id = await submit(quick.url, input);
  await followToEnd(quick.url, id);
  await leftRedis(quick, [id]);
  assert.deepEqual((await ask(`${quick.url}/tasks/${id}?include=input`)).json.input, input);
});

test("another owner's task with its input is the same 404 as one that does not exist", async (t) => {
  const keyed = await startInProcess({
    runners: 0,
    relays: 0,
    env: { API_KEYS: 'anna:anna-key-0123456789,ben:ben-key-0123456789' },
  });
  t.after(keyed.stop);
  const [anna, ben] = ['anna', 'ben'].map((name) => ownerClient(keyed.url, `${name}-key-0123456789`));
  const id = (await anna?.submit('secret words')) ?? '';
  const [foreign, unknown] = await Promise.all([
    ben?.get(`/tasks/${id}?include=input`),
    ben?.get(`/tasks/task_${'0'.repeat(25)}?include=input`),
  ]);
  assert.ok(foreign && unknown);
  assertProblem(foreign, 404, 'not_found');
  assert.equal(comparable(foreign), comparable(unknown));
});
