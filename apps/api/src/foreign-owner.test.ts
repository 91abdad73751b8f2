/** Every documented route of a task, asked by somebody else: generated from the document, so that no new route is left out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { chatRequest } from '@beanline/shared/jobs/chat-request.ts';
import { createLog } from '@beanline/shared/log.ts';
import { submitTask } from '@beanline/shared/submit-task.ts';
import { wire } from '@beanline/shared/wire.ts';
import { chat, getTask, submit } from '../../../scripts/testing/client.ts';
import { ask } from '../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../scripts/testing/system.ts';

let system: System;
before(async () => {
  system = await startSystem({ runners: 0, relays: 0 });
});
after(() => system.stop());

type Route = { method: string; path: string; hasBody: boolean };
type Answer = Awaited<ReturnType<typeof ask>>;

/** The routes whose path names a task. */
async function taskRoutes(): Promise<Route[]> {
  const { json } = await ask(`${system.url}/openapi.json`);
  return Object.entries(json.paths as Record<string, Record<string, { requestBody?: unknown }>>)
    .filter(([path]) => path.startsWith('/tasks/{id}'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { requestBody }]) => ({
        method: method.toUpperCase(),
        path,
        hasBody: requestBody !== undefined,
      })),
    );
}

/** What a stranger is answered for this id, in every way of asking. */
async function askAll(route: Route, id: string, headers: Record<string, string>): Promise<Answer[]> {
  const url = `${system.url}${route.path.replace('{id}', id)}`;
  const body = route.hasBody ? { body: '{}' } : {};
  const type: Record<string, string> = route.hasBody ? { 'Content-Type': 'application/json' } : {};
  const ways = [
    {},
    { Accept: 'text/event-stream' },
    { Prefer: 'wait=5' },
    { 'Idempotency-Key': 'k' },
    { 'If-None-Match': '"0-1"' },
    { 'Last-Event-ID': '0-1' },
  ];
  const queries = route.method === 'GET' ? ['', '?wait=5&after=0-1'] : [''];
  return Promise.all(
    queries.flatMap((query) =>
      ways.map((way) =>
        ask(`${url}${query}`, { method: route.method, headers: { ...type, ...headers, ...way }, ...body }),
      ),
    ),
  );
}

/** All of an answer but what names the request. */
const bytes = ({ status, headers, text, json }: Answer) =>
  JSON.stringify([
    status,
    text.replaceAll(json.request_id, ''),
    [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'date'),
  ]);

/** Nothing a stranger is answered tells whether the task exists. */
async function assertUnknown(id: string, headers: Record<string, string> = {}): Promise<void> {
  const unknown = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;
  const routes = await taskRoutes();
  assert.ok(routes.length >= 4, JSON.stringify(routes));
  for (const route of routes) {
    const foreign = await askAll(route, id, headers);
    const none = await askAll(route, unknown, headers);
    const name = `${route.method} ${route.path}`;
    for (const { status } of foreign) assert.ok(status === 404 || status === 401, `${name}: ${status}`);
    assert.deepEqual(foreign.map(bytes), none.map(bytes), name);
  }
}

test('on every documented route of a task, another owner’s answers in the same bytes as one that does not exist', async () => {
  const config = readConfig({ REDIS_URL: system.redis.url });
  const log = createLog({ level: 'silent', name: 'api' });
  const { deps, close } = wire(config, { program: 'api', log });
  await deps.clock.ready();
  const { id } = await submitTask(deps, {
    owner: 'somebody-else',
    type: chatRequest,
    input: JSON.stringify(chat()),
    options: {
      priority: 0,
      timeoutMs: 1_000,
      maxAttempts: 1,
      metadata: {},
      runAt: 0,
      delayMs: 600_000,
      startBy: undefined,
    },
    given: {},
    idempotencyKey: undefined,
    requestId: 'req',
    traceparent: undefined,
  });
  const before = await deps.tasks.read('somebody-else', id);
  await assertUnknown(id);
  assert.deepEqual(await deps.tasks.read('somebody-else', id), before, 'and nothing was done to it');
  await close();

  const own = await submit(system.url, chat('mine', { delay_ms: 600_000 }));
  assert.equal((await getTask(system.url, own)).status, 200);
  const { json } = await ask(`${system.url}/tasks`);
  assert.deepEqual(
    json.tasks.map(({ task_id }: { task_id: string }) => task_id),
    [own],
  );
});
