/** Sends what a newcomer sends first: the examples of `/openapi.json`, as its viewer fills them in. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { catalog } from '@beanline/shared/jobs/catalog.ts';
import { followToEnd, post } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document holds
type Json = any;

let system: InProcess;
before(async () => {
  system = await startInProcess({ env: { TEST_CATALOG: 'real' } });
});
after(() => system.stop());

test('every request body has an example for each of its shapes, and each is completed as it stands, or asks for its session', async () => {
  const document: Json = await (await fetch(`${system.url}/openapi.json`)).json();
  const { json: made } = await post(system.url, '/api/chat/sessions', {});
  const sent: string[] = [];
  for (const [path, { post: operation }] of Object.entries<Json>(document.paths)) {
    // Those of approvals and messages are sent by tests of their own: they want a task that is not over.
    if (!operation?.requestBody || operation.tags[0] === 'Sessions' || path.includes('{id}')) continue;
    const { example, examples = {} } = operation.requestBody.content['application/json'];
    const bodies = example === undefined ? Object.values<Json>(examples).map(({ value }) => value) : [example];
    for (const body of bodies) {
      const to = path.replace('{session}', made.session.session_id);
      const { status, text, json } = await post(system.url, to, body, { Prefer: 'wait=0' });
      if (body.input?.session_id) {
        assert.equal(status, 404, `${path}: ${text}`);
        assert.equal(json.errors[0].path, 'input.session_id');
      } else {
        assert.equal(status, 202, `${path}: ${text}`);
        assert.equal((await followToEnd(system.url, json.task_id)).at(-1)?.data.status, 'completed');
      }
      sent.push(path === '/tasks' ? `${path} ${body.type}` : path);
    }
  }
  const routes = [...catalog.values()].flatMap(({ route }) => route ?? []);
  const types = [...catalog.keys()].map((type) => `/tasks ${type}`);
  const ofSession = ['title', 'summary'].map((end) => `/api/chat/sessions/{session}/${end}`);
  assert.deepEqual(sent, [...routes, ...ofSession, ...types]);
});

test('what the document shows as the answer of a route is a task of its job type, with an output of that type', async () => {
  const { paths }: Json = await (await fetch(`${system.url}/openapi.json`)).json();
  const exampleOf = (answer: Json) => answer.content['application/json'].example;
  for (const { name, route, output } of catalog.values()) {
    if (!route) continue;
    const { 200: finished, 202: accepted } = paths[route].post.responses;
    assert.deepEqual([exampleOf(accepted).type, exampleOf(finished).type], [name, name]);
    const shown = output.safeParse(exampleOf(finished).output);
    assert.ok(shown.success, `${name}: ${shown.error}`);
  }
});

test('the example of every body about sessions is taken as it stands', async () => {
  const document: Json = await (await fetch(`${system.url}/openapi.json`)).json();
  const { json } = await post(system.url, '/api/chat/sessions', {});
  const sent: string[] = [];
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, { tags, requestBody }] of Object.entries<Json>(methods)) {
      if (!requestBody || tags[0] !== 'Sessions') continue;
      const { example } = requestBody.content['application/json'];
      const response = await fetch(`${system.url}${path.replace('{session}', json.session.session_id)}`, {
        method: method.toUpperCase(),
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(example),
      });
      assert.ok(response.ok, `${method} ${path}: ${await response.text()}`);
      sent.push(method);
    }
  }
  assert.deepEqual(sent.toSorted(), ['patch', 'post', 'post', 'put']);
});
