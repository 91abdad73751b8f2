/** What `/docs` shows and pre-fills: every example is one that the API takes or gives. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ErrorCode, errorTable } from '@beanline/shared/errors.ts';
import { post } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { openApiSchema } from '../../../../scripts/testing/openapi-schema.ts';
import { ask } from '../../../../scripts/testing/raw.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document and answers hold
type Json = any;

let system: InProcess;
let document: Json;
let schema: ReturnType<typeof openApiSchema>;

const operations = (): { name: string; method: string; path: string; operation: Json }[] =>
  Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );

/** What a viewer fills in: the example, or the first of several. */
const filledIn = ({ example, examples }: Json) => example ?? Object.values<Json>(examples ?? {})[0]?.value;

/** The query and headers that a viewer fills in of a parameter's default or example. */
function parametersOf(operation: Json) {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const parameter of (operation.parameters ?? []).map(schema.resolved)) {
    const { default: fallback, examples, enum: values } = schema.resolved(parameter.schema);
    const value = parameter.example ?? fallback ?? examples?.[0] ?? (parameter.required ? values?.[0] : undefined);
    if (value === undefined) continue;
    if (parameter.in === 'query') query.set(parameter.name, String(value));
    if (parameter.in === 'header') headers[parameter.name] = String(value);
  }
  return { query: query.size > 0 ? `?${query}` : '', headers };
}

describe('with the real job types', () => {
  before(async () => {
    system = await startInProcess({ env: { TEST_CATALOG: 'real' } });
    document = (await ask(`${system.url}/openapi.json`)).json;
    schema = openApiSchema(document);
  });
  after(() => system.stop());

  test('every request that the viewer fills in is answered 2xx, once its id is there', async () => {
    const ended = await post(
      system.url,
      '/api/chat',
      { messages: [{ role: 'user', content: 'x' }] },
      { Prefer: 'wait=30' },
    );
    let sent = 0;
    // Deleting comes last.
    for (const { name, method, path, operation } of operations().sort((a) => (a.method === 'DELETE' ? 1 : -1))) {
      // They take a task that asks, and one that takes messages; openapi-answers.test.ts has both.
      if (path.includes('{approval}') || path === '/tasks/{id}/messages') continue;
      const session = (await post(system.url, '/api/chat/sessions', {})).json.session.session_id;
      const place = path.replace('{id}', ended.json.task_id).replace('{session}', session).replace('{name}', 'chat');
      const { query, headers } = parametersOf(operation);
      const body = operation.requestBody && filledIn(operation.requestBody.content['application/json']);
      if (operation.requestBody) assert.ok(body !== undefined, `${name} has no body to begin with`);
      const answer = await fetch(`${system.url}${place}${query}`, {
        method,
        headers: { ...headers, ...(body ? { 'Content-Type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await answer.text();
      assert.ok(answer.ok, `${name}${query} ${answer.status}: ${text}`);
      sent++;
    }
    assert.ok(sent > 20, `${sent} operations`);
  });

  test('every body that the viewer offers is a task that completes, waits for a person, or asks for its session', async () => {
    const { examples } = document.paths['/tasks'].post.requestBody.content['application/json'];
    assert.deepEqual(
      Object.keys(examples),
      document.paths['/tasks'].get.parameters.find(({ name }: Json) => name === 'type').schema.enum,
    );
    for (const [type, { value }] of Object.entries<Json>(examples)) {
      const { status, json, text } = await post(system.url, '/tasks', value);
      if (value.input?.session_id) assert.deepEqual([status, json.errors[0].path], [404, 'input.session_id']);
      else assert.equal(status, 202, `${type}: ${text}`);
    }
  });

  test('every answer that is shown is one that the route gives at this status, whole and true to its schema', () => {
    let shown = 0;
    for (const { name, operation } of operations()) {
      for (const [status, reference] of Object.entries<Json>(operation.responses)) {
        const { content = {} } = schema.resolved(reference);
        for (const [type, media] of Object.entries<Json>(content)) {
          const what = `${name} ${status} ${type}`;
          if (type === 'text/html') continue;
          const values = media.examples
            ? Object.values<Json>(media.examples).map(({ value }) => value)
            : [media.example];
          for (const value of values) {
            assert.ok(value !== undefined, `${what} shows no example`);
            assert.doesNotMatch(JSON.stringify(value), /…/, what);
            if (type === 'text/event-stream') schema.checkStream(media.schema, value, what);
            else schema.check(media.schema, value, what);
            shown++;
          }
        }
      }
    }
    assert.ok(shown > 200, `${shown} examples`);
  });

  test('the problems of each status are shown by their codes, as the table of errors has them', () => {
    const seen = new Set<string>();
    for (const { name, operation } of operations()) {
      for (const [status, reference] of Object.entries<Json>(operation.responses)) {
        if (Number(status) < 400 || name === 'GET /readyz') continue;
        const { content, description } = schema.resolved(reference);
        const { examples } = content['application/problem+json'];
        assert.deepEqual(Object.keys(examples), description.match(/(?<=`)\w+(?=`)/g), `${name} ${status}`);
        for (const [code, { value }] of Object.entries<Json>(examples)) {
          assert.ok(ErrorCode.safeParse(code).success);
          const { status: wanted, title } = errorTable[code as ErrorCode];
          assert.deepEqual([value.code, value.status, value.title], [code, wanted, title]);
          assert.equal(String(wanted), status);
          seen.add(code);
        }
      }
    }
    assert.ok(seen.size >= 15, [...seen].join(' '));
  });
});

test('a job type without an example is shown with a sample of its input, which is accepted', async (t) => {
  const other = await startInProcess({ runners: 0, relays: 0 });
  t.after(other.stop);
  const { paths } = (await ask(`${other.url}/openapi.json`)).json;
  const { examples } = paths['/tasks'].post.requestBody.content['application/json'];
  const types = paths['/tasks'].get.parameters.find(({ name }: Json) => name === 'type').schema.enum;
  assert.deepEqual(Object.keys(examples), types);
  for (const [type, { value }] of Object.entries<Json>(examples)) {
    if (value.input.session_id) continue;
    const { status, text } = await post(other.url, '/tasks', value);
    assert.equal(status, 202, `${type}: ${text}`);
  }
});

test('what is shown of a missing task or session is what is answered', async (t) => {
  const other = await startInProcess({ runners: 0, relays: 0 });
  t.after(other.stop);
  const { json } = await ask(`${other.url}/openapi.json`);
  const { resolved } = openApiSchema(json);
  for (const path of ['/tasks/{id}', '/tasks/{id}/events', '/api/chat/sessions/{session}']) {
    const shown = resolved(json.paths[path].get.responses[404]).content['application/problem+json'];
    const answer = await ask(`${other.url}${path.replace(/\{\w+\}/, `task_${'0'.repeat(25)}`)}`);
    assert.deepEqual({ ...answer.json, request_id: '' }, { ...shown.examples.not_found.value, request_id: '' });
  }
});
