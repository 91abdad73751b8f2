import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createAdaptorServer } from '@hono/node-server';
import { chat } from '../../../../../scripts/testing/client.ts';
import { ownerClient } from '../../../../../scripts/testing/owners.ts';
import { assertProblem, type RawConnection, rawConnection } from '../../../../../scripts/testing/raw.ts';
import { until } from '../../../../../scripts/testing/until.ts';
import { wiredTo } from '../../../../../scripts/testing/wired.ts';
import { createApp } from '../../app.ts';
import { createApi } from '../context.ts';
import { HttpVariables } from '../variables.ts';

const [ANNA, BEN, CAROL] = ['anna-key-0123456789', 'ben-key-0123456789', 'carol-key-0123456789'];
const OWNER_BYTES = 300_000;
const ALL_BYTES = 500_000;

async function serve(t: TestContext) {
  const env = {
    API_KEYS: `anna:${ANNA},ben:${BEN},carol:${CAROL}`,
    RATE_LIMIT: '0',
    MAX_OWNER_BODY_BYTES: String(OWNER_BYTES),
    MAX_BODIES_BYTES: String(ALL_BYTES),
  };
  const { deps, redis } = await wiredTo(t, env);
  const config = readConfig({ ...env, REDIS_URL: redis.url }, HttpVariables);
  const api = createApi(deps, config, new AbortController().signal);
  const server = createAdaptorServer({ fetch: createApp(api).fetch }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const head = (key: string | undefined, how: string, path = '/api/chat') =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${how}\r\n\r\n`;
  return {
    api,
    port,
    bytes: api.bodies.bytes,
    /** Declares a body and sends none of it. */
    declares(key: string | undefined, bytes: number): RawConnection {
      const connection = rawConnection(port);
      connection.read();
      connection.send(head(key, `Content-Length: ${bytes}`));
      return connection;
    },
    head,
    isFree: () => until('nothing is counted', async () => api.bodies.bytes() === 0),
    post: (key: string | undefined, body: object) =>
      ownerClient(`http://127.0.0.1:${port}`, key ?? '').post('/api/chat', body),
  };
}

const large = (length: number) => chat('x'.repeat(length));

test('bodies under way beyond the bound of an owner are 429, beyond that of all 503, before they are read', async (t) => {
  const { declares, post, bytes, isFree } = await serve(t);
  const first = declares(ANNA, 250_000);
  await until(async () => bytes() === 250_000);
  const refused = declares(ANNA, 60_000);
  assert.match(refused.text() || (await refused.has(/HTTP\/1.1 429[\s\S]*\r\n\r\n/))[0], /retry-after: 1\r\n/i);
  await refused.has(/"code":"rate_limited"/);
  assertProblem(await post(ANNA, large(60_000)), 429, 'rate_limited');
  // Small ones pass, and those of others.
  assert.equal((await post(ANNA, large(10_000))).status, 202);
  assert.equal((await post(BEN, large(200_000))).status, 202);

  const second = declares(BEN, 200_000);
  await until(async () => bytes() === 450_000);
  const all = declares(CAROL, 60_000);
  await all.has(/HTTP\/1.1 503[\s\S]*"code":"unavailable"/);
  for (const connection of [first, second, refused, all]) connection.close();
  await isFree();
  assert.equal((await post(ANNA, large(290_000))).status, 202);
  await isFree();
});

test('a body in chunks, which declares no length, is counted as it comes', async (t) => {
  const { port, head, bytes, isFree, declares } = await serve(t);
  const chunk = (length: number) => `${length.toString(16)}\r\n${' '.repeat(length)}\r\n`;
  const connection = rawConnection(port);
  connection.read();
  connection.send(head(ANNA, 'Transfer-Encoding: chunked') + chunk(150_000));
  await until(async () => bytes() >= 150_000);
  const other = declares(ANNA, 100_000);
  await until(async () => bytes() >= 250_000);
  connection.send(chunk(150_000));
  await connection.has(/HTTP\/1.1 429[\s\S]*"code":"rate_limited"/);
  for (const one of [connection, other]) one.close();
  await isFree();
});

test('however a request ends, nothing of its body stays counted', async (t) => {
  const { port, head, post, bytes, isFree, declares } = await serve(t);
  // It leaves before the body, or within it.
  for (const part of ['', '{"messages":[']) {
    const connection = declares(ANNA, 100_000);
    connection.send(part);
    await until(async () => bytes() === 100_000);
    connection.close();
    await isFree();
  }
  // Refused: no JSON, no such field, no such route's body.
  assertProblem(await post(ANNA, { ...large(50_000), unknown: true }), 400, 'invalid_request');
  await isFree();
  // Accepted, several ahead on one connection that stays.
  const body = JSON.stringify(large(50_000));
  const kept = rawConnection(port);
  kept.read();
  kept.send(`${head(ANNA, `Content-Length: ${body.length}`)}${body}`.repeat(3));
  await until(async () => kept.text().split('HTTP/1.1 202').length === 4);
  await isFree();
  // It leaves while its task is made.
  const gone = rawConnection(port);
  gone.send(`${head(ANNA, `Content-Length: ${body.length}`)}${body}`);
  gone.close();
  await isFree();
  kept.close();
});

test('a request that streams or waits holds nothing of its body meanwhile', async (t) => {
  const { port, head, isFree } = await serve(t);
  const body = JSON.stringify(large(100_000));
  for (const form of ['Accept: text/event-stream', 'Prefer: wait=60']) {
    const connection = rawConnection(port);
    connection.read();
    connection.send(`${head(ANNA, `${form}\r\nContent-Length: ${body.length}`)}${body}`);
    if (form.startsWith('Accept')) await connection.has(/event: queued/);
    await isFree();
    connection.close();
  }
});

test('a large body is made sense of when its owner has rested from the one before', async (t) => {
  const { api, post } = await serve(t);
  const WORK_MS = 50;
  const ended = await api.heavy.run('anna', () => {
    for (const until = performance.now() + WORK_MS; performance.now() < until; );
    return performance.now();
  });
  assert.equal((await post(ANNA, large(100_000))).status, 202);
  const after = performance.now() - ended;
  assert.ok(after >= 4 * WORK_MS - 1, `${after} ms`);
});
