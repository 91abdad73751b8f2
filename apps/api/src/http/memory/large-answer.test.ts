import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createAdaptorServer } from '@hono/node-server';
import { z } from 'zod';
import { bearer } from '../../../../../scripts/testing/owners.ts';
import { ask, assertProblem, rawConnection, rawGet } from '../../../../../scripts/testing/raw.ts';
import { until } from '../../../../../scripts/testing/until.ts';
import { wiredTo } from '../../../../../scripts/testing/wired.ts';
import { createApp } from '../../app.ts';
import { json } from '../../openapi/operation.ts';
import { createApi } from '../context.ts';
import { replyJson } from '../reply.ts';
import { type App, route } from '../route.ts';
import { HttpVariables } from '../variables.ts';
import { SLICE_BYTES, SOCKET_BYTES } from './byte-budget.ts';

/** More than the buffers of two sockets take. */
const LARGE_BYTES = 24 * 1024 * 1024;
const [ANNA, BEN] = ['anna-key-0123456789', 'ben-key-0123456789'];

/** The API with a route that answers with as many letters as asked, when it is let go. */
async function serve(t: TestContext, env: Record<string, string> = {}) {
  const API_KEYS = `anna:${ANNA},ben:${BEN}`;
  const given = { API_KEYS, RATE_LIMIT: '0', ...env };
  const { deps, redis } = await wiredTo(t, given);
  const config = readConfig({ ...given, REDIS_URL: redis.url }, HttpVariables);
  const api = createApi(deps, config, new AbortController().signal);
  const asked: string[] = [];
  let letGo = Promise.resolve();
  const lettersRoute = (app: App) =>
    route(app, {
      method: 'get',
      path: '/letters/{count}',
      operation: {
        operationId: 'letters',
        summary: 'Letters',
        tag: 'Letters',
        path: z.object({ count: z.string() }),
        answers: { 200: json('Letters', z.string(), 'xxx') },
      },
      async handler(c) {
        asked.push(c.req.path);
        await letGo;
        return replyJson(c, 200, JSON.stringify('x'.repeat(Number(c.req.param('count')))));
      },
    });
  const server = createAdaptorServer({ fetch: createApp(api, [lettersRoute]).fetch });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    (server as Server).closeAllConnections();
  });
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  const { port } = server.address() as AddressInfo;
  return {
    api,
    port,
    /** What was written to all connections, in bytes. */
    written: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    asked,
    get: (count: number, key = ANNA) => ask(`http://127.0.0.1:${port}/letters/${count}`, { headers: bearer(key) }),
    /** Answers wait until the function it gives is called. */
    holdBack() {
      const held = Promise.withResolvers<void>();
      letGo = held.promise;
      return held.resolve;
    },
    request: (count: number, key = ANNA) =>
      `GET /letters/${count} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`,
  };
}

test('beyond the bound of an owner, and of all, a large answer is 503; small ones and other owners’ go on', async (t) => {
  const env = {
    // A smaller answer takes as much of the system again.
    MAX_OWNER_ANSWER_BYTES: String(LARGE_BYTES + SOCKET_BYTES + 200_000),
    MAX_ANSWER_BYTES: String(LARGE_BYTES + SOCKET_BYTES + 400_000),
  };
  const { api, port, get, request } = await serve(t, env);
  const stuck = rawConnection(port);
  stuck.send(request(LARGE_BYTES));
  await until(async () => api.answers.bytes() > 0);

  const refused = await get(150_000);
  assertProblem(refused, 503, 'unavailable');
  assert.match(refused.json.detail, /this owner/);
  assert.equal(refused.headers.get('retry-after'), '2');
  assert.equal((await get(50_000)).status, 200);
  assert.equal((await get(1_000)).status, 200);
  assert.equal((await get(150_000, BEN)).status, 200);
  const all = await get(250_000, BEN);
  assertProblem(all, 503, 'unavailable');
  assert.match(all.json.detail, /all owners/);

  stuck.close();
  await until(async () => api.answers.bytes() === 0);
  assert.equal((await get(250_000)).json.length, 250_000);
});

test('however a client leaves, nothing of its answers stays counted', async (t) => {
  const env = { MAX_OWNER_ANSWER_BYTES: String(4 * LARGE_BYTES) };
  const { api, port, asked, get, holdBack, request } = await serve(t, env);
  const isFree = () => until('nothing is counted', async () => api.answers.bytes() === 0);

  // Before it is answered.
  let letGo = holdBack();
  const early = rawConnection(port);
  early.send(request(LARGE_BYTES));
  await until(async () => asked.length === 1);
  early.close();
  await once(early.socket, 'close');
  letGo();
  assert.equal((await get(20_000)).status, 200);
  await isFree();

  // While it is answered; and with more requests behind that answer, on the same connection.
  for (const behind of [0, 3]) {
    const late = rawConnection(port);
    late.send(request(LARGE_BYTES).repeat(1 + behind));
    await until(async () => api.answers.bytes() > 0);
    late.close();
    await isFree();
  }

  // With answers that are ready before their turn on the connection comes.
  letGo = holdBack();
  const piped = rawConnection(port);
  const before = asked.length;
  piped.send(request(LARGE_BYTES).repeat(3));
  await until(async () => asked.length === before + 3);
  letGo();
  await until(async () => api.answers.bytes() > 3 * LARGE_BYTES);
  piped.close();
  await isFree();

  // After it, and between answers that it takes, on one connection that stays.
  const kept = rawConnection(port);
  kept.read();
  for (let i = 1; i <= 3; i++) {
    kept.send(request(300_000));
    await until(async () => kept.text().split(`"${'x'.repeat(300_000)}"`).length === 1 + i);
    await isFree();
  }
  kept.close();
});

test('large answers asked for ahead on one connection come whole, one after the other', async (t) => {
  const { api, port, request } = await serve(t);
  const connection = rawConnection(port);
  const counts = [LARGE_BYTES, 10, 500_000, 70_000];
  connection.send(counts.map((count) => request(count)).join(''));
  await until(async () => api.answers.bytes() > LARGE_BYTES);
  connection.read();
  await until(async () => connection.text().endsWith(`"${'x'.repeat(70_000)}"`));
  const bodies = [...connection.text().matchAll(/Content-Length: (\d+)[^"]*"(x*)"/gi)];
  assert.deepEqual(
    bodies.map(([, length, text]) => [Number(length) - 2, text?.length]),
    counts.map((count) => [count, count]),
  );
  await until(async () => api.answers.bytes() === 0);
  connection.close();
});

test('of all large answers together one piece is written in a turn of the event loop', async (t) => {
  const { api, port, asked, written, holdBack, request } = await serve(t);
  const letGo = holdBack();
  const connections = [ANNA, ANNA, BEN].map((key) => {
    const connection = rawConnection(port);
    connection.read();
    connection.send(request(1_000_000, key));
    return connection;
  });
  await until(async () => asked.length === 3);
  letGo();
  const HEADS_BYTES = 3_000;
  let before = written();
  for (let turns = 0; turns === 0 || api.answers.bytes() > 0; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = written();
    assert.ok(now - before <= SLICE_BYTES + HEADS_BYTES, `${now - before} bytes in turn ${turns}`);
    before = now;
  }
  assert.ok(before > 3_000_000);
  for (const connection of connections) connection.close();
});

test('HEAD of a large answer counts nothing', async (t) => {
  const { api, port } = await serve(t);
  const answer = await ask(`http://127.0.0.1:${port}/letters/1000000`, { method: 'HEAD', headers: bearer(ANNA) });
  assert.equal(answer.status, 200);
  assert.equal(api.answers.bytes(), 0);
  const old = rawGet(port, '/letters/300000', { Authorization: `Bearer ${ANNA}` }, '1.0');
  assert.equal((await old.ended).match(/x+/g)?.at(-1)?.length, 300_000);
  await until(async () => api.answers.bytes() === 0);
});
