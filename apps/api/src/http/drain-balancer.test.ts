/** What load balancers and new clients meet at an API that drains. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, checkEnded, followToEnd, post, submit } from '../../../../scripts/testing/client.ts';
import { ask, eventually, rawConnection, rawGet } from '../../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

const DRAIN_MS = 4_000;
/** For what does not wait for the drain time: longer than whatever a busy machine takes. */
const LONG_MS = 120_000;
const LEAVE_MS = 3_000;

let system: System;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(() => undefined);
  system = await startSystem({ env: { ...upstream.env, DRAIN_MS: String(DRAIN_MS) } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

type Api = Awaited<ReturnType<System['startApi']>>;

/** A task that runs, and enough readers of it that one of them stays for most of the drain. */
async function busyApi(api: Api) {
  const number = upstream.calls.length + 1;
  const id = await submit(api.url, chat(`task ${number}`));
  const call: UpstreamCall = await upstream.call(number);
  call.text('first ');
  const readers = Array.from({ length: 20 }, () => rawGet(api.port, `/tasks/${id}/events`, {}, '1.0'));
  await Promise.all(readers.map((reader) => reader.has(/first /)));
  return { id, call, readers };
}

/** A submit that is under way until the test sends the last byte of it. */
async function heldUpload(api: Api) {
  const body = JSON.stringify(chat('uploaded slowly'));
  const connection = rawConnection(api.port);
  connection.read();
  const head = `Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue`;
  connection.send(`POST /api/chat HTTP/1.1\r\n${head}\r\n\r\n${body.slice(0, -1)}`);
  await connection.has(/^HTTP\/1\.1 100 /);
  return {
    async complete(): Promise<string> {
      connection.send(body.slice(-1));
      const text = await connection.ended;
      connection.close();
      return text;
    },
  };
}

const draining = (api: Api) =>
  eventually(
    () => ask(`${api.url}/readyz`),
    ({ status }) => status === 503,
  );

test('an API that drains is not ready, serves who still comes, and asks to close every connection', async () => {
  const api = await system.startApi({ DRAIN_MS: String(LONG_MS), REQUEST_TIMEOUT_MS: String(LONG_MS) });
  const running = upstream.calls.length + 1;
  const id = await submit(api.url, chat(`task ${running}`));
  const call = await upstream.call(running);
  const upload = await heldUpload(api);
  const kept = rawGet(api.port, '/healthz');
  await kept.has(/"ok"/);
  assert.doesNotMatch(kept.text(), /connection: close/i);

  const stopped = api.signal('SIGTERM');
  const ready = await draining(api);
  assert.equal(ready.json.status, 'draining');
  assert.equal(ready.headers.get('connection'), 'close');
  kept.send(`GET /tasks/${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await kept.has(/"ok"[\s\S]*connection: close[\s\S]*"in_progress"/i);
  await kept.ended;

  const number = upstream.calls.length + 1;
  const late = await post(api.url, '/api/chat', chat('late'));
  assert.equal(late.status, 202);
  assert.equal(late.headers.get('connection'), 'close');
  // A wait does not hold the drain up, and a stream goes on elsewhere at once.
  const waited = await post(api.url, '/api/chat', chat('late, and waits'), { Prefer: 'wait=60' });
  assert.equal(waited.status, 202);
  const stream = rawGet(api.port, `/tasks/${id}/events`, { Accept: 'text/event-stream' }, '1.0');
  assert.match(await stream.ended, /\r\n\r\nretry: 1000\n\nretry: [1-5]\d{3}\n\n$/);
  const submitted = await fetch(`${api.url}/api/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(chat('late, and streams')),
  });
  assert.match(await submitted.text(), /^retry: 1000\n\nretry: [1-5]\d{3}\n\n$/);
  const streamed = submitted.headers.get('x-task-id') ?? '';

  assert.equal(api.child.exitCode, null, 'it waits for what is under way');
  const uploaded = await upload.complete();
  assert.match(uploaded, /HTTP\/1\.1 202 [\s\S]*connection: close/i);
  await stopped;
  assert.equal(api.child.exitCode, 0);
  await assert.rejects(fetch(`${api.url}/healthz`));
  call.text('at last');
  call.finish();
  for (let i = number; i < number + 4; i++) {
    const held = await upstream.call(i);
    held.text('at last');
    held.finish();
  }
  for (const task of [id, late.json.task_id, waited.json.task_id, streamed]) {
    await checkEnded(system.url, task, await followToEnd(system.url, task));
  }
});

test('an API with nothing to do listens for LEAVE_MS, not ready, before it goes', async (t) => {
  const other = await startSystem({
    redis: system.redis,
    apis: 1,
    runners: 0,
    relays: 0,
    env: { DRAIN_MS: String(LONG_MS), LEAVE_MS: String(LEAVE_MS) },
  });
  t.after(other.stop);
  const [api] = other.apis as [Api];
  const toldAt = performance.now();
  let gone = false;
  const stopped = api.signal('SIGTERM').then(() => {
    gone = true;
  });
  await draining(api);
  let answers = 0;
  while (!gone) {
    const answer = await fetch(`${api.url}/readyz`).catch(() => null);
    if (answer) {
      assert.equal(answer.status, 503);
      answers++;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await stopped;
  const tookMs = performance.now() - toldAt;
  assert.equal(api.child.exitCode, 0);
  assert.ok(answers > 3, `${answers} answers`);
  assert.ok(tookMs >= LEAVE_MS && tookMs < LONG_MS / 2, `gone after ${tookMs} ms`);
});

test('a second SIGTERM does not cut the drain short', async () => {
  const api = await system.startApi();
  const { id, call, readers } = await busyApi(api);
  const stopped = api.signal('SIGTERM');
  await draining(api);
  api.child.kill('SIGTERM');
  const texts = await Promise.all(readers.map((reader) => reader.ended));
  await stopped;
  assert.deepEqual([api.child.exitCode, api.child.signalCode], [0, null]);
  for (const text of texts) assert.match(text, /\n\nretry: [1-5]\d{3}\n\n$/);
  call.finish();
  await checkEnded(system.url, id, await followToEnd(system.url, id));
});
