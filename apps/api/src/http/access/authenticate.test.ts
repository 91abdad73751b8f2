import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post, submit } from '../../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../../scripts/testing/machine.ts';
import { bearer, keyring, ownerClient } from '../../../../../scripts/testing/owners.ts';
import { ask, assertProblem, eventually, followedTasks } from '../../../../../scripts/testing/raw.ts';

/** Within this a change of the keys is known everywhere. */
const SEEN_MS = 5_000;

let system: InProcess;
let keys: ReturnType<typeof keyring>;
let one: string;
let two: string;
let machine: ReturnType<typeof watchMachine>;
before(async () => {
  system = await startInProcess({ runners: 1, relays: 0, apis: 2 });
  one = system.apis[0]?.url ?? '';
  two = system.apis[1]?.url ?? '';
  keys = keyring(system.redis.url, system.prefix);
  machine = watchMachine({ after: () => undefined }, one);
});
after(async () => {
  machine.stop();
  keys.close();
  await system.stop();
});

const statusOf = async (url: string, token: string) => (await ask(`${url}/tasks`, { headers: bearer(token) })).status;

/** Tells how long ago now was, without what the machine took since then. */
function stopwatch(): () => number {
  const [startedAt, lateBefore] = [performance.now(), machine.lateMs()];
  return () => performance.now() - startedAt - (machine.lateMs() - lateBefore);
}

/** How long it takes until this is answered so. */
async function seenAfter(look: () => Promise<number>, status: number, tookMs = stopwatch()): Promise<number> {
  for (;;) {
    const beforeMs = tookMs();
    if ((await look()) === status) return beforeMs;
    assert.ok(beforeMs < SEEN_MS, `not ${status} after ${beforeMs} ms`);
    await delay(20);
  }
}

test('an open API asks for a key in every process soon after the first one was made, and ends what is open without', async () => {
  for (const url of [one, two]) assert.equal((await ask(`${url}/tasks`)).status, 200);
  const later = chat('later', { delay_ms: 600_000 });
  const polledId = await submit(one, later);
  const stream = await fetch(`${one}/tasks/${await submit(one, later)}/events`);
  const streamed = stream.text();
  const polled = ask(`${one}/tasks/${polledId}?wait=60`);
  const submitted = post(one, '/api/chat', later, { Prefer: 'wait=60' });
  await eventually(
    () => followedTasks(one),
    (followed) => followed === 3,
  );
  const { token } = await keys.create('anna');
  const tookMs = stopwatch();
  assert.match(await streamed, /event: queued\n[\s\S]*retry: \d{4}\n\n$/);
  assertProblem(await polled, 401, 'unauthorized');
  assert.equal((await submitted).status, 202);
  assert.ok(tookMs() < SEEN_MS);
  for (const url of [one, two]) {
    await seenAfter(async () => (await ask(`${url}/tasks`)).status, 401);
    assert.equal(await statusOf(url, token), 200);
  }
});

test('a key that was revoked or has expired is refused by every process within 5 s, also where it was just used', async (t) => {
  const revoked = await keys.create('anna');
  const expiring = await keys.create('anna', { expiresInMs: 10_000 });
  for (const url of [one, two]) {
    assert.equal(await statusOf(url, revoked.token), 200);
    assert.equal(await statusOf(url, expiring.token), 200);
  }
  assert.equal((await keys.revoke(revoked.id))?.id, revoked.id);
  for (const { token, expires_at = 0 } of [revoked, expiring]) {
    await delay(Math.max(0, expires_at - Date.now()));
    const tookMs = stopwatch();
    const took = await Promise.all([one, two].map((url) => seenAfter(() => statusOf(url, token), 401, tookMs)));
    t.diagnostic(`refused after ${took.map(Math.round).join(' and ')} ms`);
  }
});

test('a key that was asked for before it was there is taken within 5 s', async () => {
  const { token, id } = await keys.create('anna');
  const entry = await system.redis.cli('HGETALL', `${system.prefix}:keys`);
  const [hash = '', text = ''] = entry
    .split('\n')
    .flatMap((line, index, all) => (line.startsWith(id) ? [line, all[index + 1]] : []));
  await system.redis.cli('HDEL', `${system.prefix}:keys`, hash);
  assert.equal(await statusOf(two, token), 401);
  await system.redis.cli('HSET', `${system.prefix}:keys`, hash, text);
  await seenAfter(() => statusOf(two, token), 200);
});

test('an open stream and a long poll end within 5 s of their key', async () => {
  const { token, id: keyId } = await keys.create('anna');
  const anna = ownerClient(one, token);
  const id = await anna.submit('later', { delay_ms: 600_000 });
  const stream = await anna.stream(id);
  assert.equal(stream.status, 200);
  const polled = anna.get(`/tasks/${id}?wait=60`);
  await keys.revoke(keyId);
  const tookMs = stopwatch();
  const text = await stream.text();
  assert.ok(tookMs() < SEEN_MS);
  assert.match(text, /event: queued\n/);
  assert.match(text, /retry: \d{4}\n\n$/);
  assert.equal((await anna.stream(id)).status, 401, 'a stock reader stops here');
  assertProblem(await polled, 401, 'unauthorized');
  assert.ok(tookMs() < SEEN_MS);
});

test('each scope allows what is its own, and admin everything', async () => {
  const client = async (...scopes: ('submit' | 'read' | 'admin')[]) =>
    ownerClient(one, (await keys.create('scoped', { scopes })).token);
  const [submits, reads, admin, none] = [
    await client('submit'),
    await client('read'),
    await client('admin'),
    await client(),
  ];
  const id = await submits.submit('hello');
  const waiting = await submits.submit('later', { delay_ms: 600_000 });

  const reading = [`/tasks/${id}`, `/tasks/${id}?wait=20`, '/tasks', `/tasks/${id}/events`];
  for (const path of reading) {
    for (const client of [reads, admin]) assert.equal((await client.get(path)).status, 200, path);
    for (const client of [submits, none]) assertProblem(await client.get(path), 403, 'forbidden');
    assert.equal((await submits.call('HEAD', path)).status, 403, path);
  }
  const writing: [string, unknown][] = [
    ['/api/chat', chat()],
    ['/tasks', { type: 'chat.request', input: chat() }],
    [`/tasks/${id}/retry`, {}],
    [`/tasks/${waiting}/cancel`, {}],
  ];
  for (const [path, body] of writing) {
    for (const client of [reads, none]) assertProblem(await client.post(path, body), 403, 'forbidden');
  }
  for (const client of [submits, admin]) {
    for (const [path, body] of writing.slice(0, 3)) assert.equal((await client.post(path, body)).status, 202, path);
  }
  assert.equal((await submits.post(`/tasks/${waiting}/cancel`, {})).status, 202);

  const ended = await submits.post(`/tasks/${id}/cancel`, {});
  assert.deepEqual([ended.status, ended.json.status], [200, 'completed']);
  // What was sent, ids and states, as its own submit was answered.
  assert.deepEqual(Object.keys(ended.json), ['task_id', 'type', 'status', 'created_at', 'urls']);
  assert.equal(ended.headers.get('etag'), null);
  const whole = await admin.post(`/tasks/${id}/cancel`, {});
  assert.equal(typeof whole.json.output.content, 'string');
  assertProblem(await submits.post('/api/chat', chat(), { Accept: 'text/event-stream' }), 403, 'forbidden');
  const patient = await submits.post('/api/chat', chat(), { Prefer: 'wait=20' });
  assert.deepEqual([patient.status, patient.headers.get('preference-applied')], [202, null]);
});

test('whether the API lives and is ready is told without a key', async () => {
  for (const path of ['/healthz', '/readyz']) assert.equal((await ask(`${one}${path}`)).status, 200);
});

test('entries this release does not know open nothing, and scopes it does not know mean nothing', async () => {
  const { token, id } = await keys.create('anna');
  const entry = (await system.redis.cli('HGETALL', `${system.prefix}:keys`)).split('\n');
  const at = entry.findIndex((line) => line.startsWith(id));
  const [hash = '', text = '{}'] = entry.slice(at, at + 2);
  const status = async (value: string) => {
    await system.redis.cli('HSET', `${system.prefix}:keys`, hash, value);
    return async () => (await post(one, '/api/chat', chat(), bearer(token))).status;
  };
  const stored = JSON.parse(text);
  await seenAfter(await status(JSON.stringify({ ...stored, v: 2 })), 401);
  await seenAfter(await status(text), 202);
  await seenAfter(await status('not JSON'), 401);
  await seenAfter(await status(JSON.stringify({ ...stored, scopes: ['everything'] })), 403);
  await seenAfter(await status(JSON.stringify({ ...stored, owner: 'a:b' })), 401);
});

test('when the last key is revoked nobody gets in', async () => {
  await system.redis.cli('DEL', `${system.prefix}:keys`);
  assert.equal(await keys.count(), 0);
  const { token } = { token: `bl_${'a'.repeat(32)}` };
  for (const url of [one, two]) {
    await seenAfter(async () => (await ask(`${url}/tasks`)).status, 401);
    assert.equal(await statusOf(url, token), 401);
  }
});
