import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post } from '../../../scripts/testing/client.ts';
import { bearer, comparable, keyring, ownerClient } from '../../../scripts/testing/owners.ts';
import { ask, assertProblem, rawGet } from '../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../scripts/testing/system.ts';

/** Within this a change of the keys is known everywhere. */
const SEEN_MS = 5_000;

let system: System;
let keys: ReturnType<typeof keyring>;
let one: string;
let two: string;
before(async () => {
  system = await startSystem({ runners: 1, relays: 0, apis: 2 });
  one = system.apis[0]?.url ?? '';
  two = system.apis[1]?.url ?? '';
  keys = keyring(system.redis.url);
});
after(async () => {
  keys.close();
  await system.stop();
});

const statusOf = async (url: string, token: string) => (await ask(`${url}/tasks`, { headers: bearer(token) })).status;

/** How long it takes until this is answered so. */
async function seenAfter(look: () => Promise<number>, status: number): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const tookMs = performance.now() - startedAt;
    if ((await look()) === status) return tookMs;
    assert.ok(tookMs < SEEN_MS, `not ${status} after ${tookMs} ms`);
    await delay(20);
  }
}

test('an open API asks for a key in every process soon after the first one was made', async () => {
  for (const url of [one, two]) assert.equal((await ask(`${url}/tasks`)).status, 200);
  const { token } = await keys.create('anna');
  for (const url of [one, two]) {
    await seenAfter(async () => (await ask(`${url}/tasks`)).status, 401);
    assert.equal(await statusOf(url, token), 200);
  }
});

describe('a header that is no valid key is answered 401 in the same bytes:', () => {
  let expected = '';
  let token = '';
  before(async () => {
    token = (await keys.create('anna')).token;
    expected = comparable(await ask(`${one}/tasks`));
  });

  const malformed: Record<string, (key: string) => string> = {
    nothing: () => '',
    'the scheme alone': () => 'Bearer',
    'the scheme and a space': () => 'Bearer ',
    'no scheme': (key) => key,
    'another scheme': (key) => `Basic ${key}`,
    'a longer scheme': (key) => `Bearers ${key}`,
    'a tab': (key) => `Bearer\t${key}`,
    'a colon': (key) => `Bearer:${key}`,
    'an escaped space': (key) => `Bearer%20${key}`,
    'a second key': (key) => `Bearer ${key} ${key}`,
    'a list': (key) => `Bearer ${key}, Bearer ${key}`,
    quotes: (key) => `Bearer "${key}"`,
    'a parameter': (key) => `Bearer token=${key}`,
    'a longer key': (key) => `Bearer ${key}x`,
    'a padded key': (key) => `Bearer ${key}=`,
    'a shorter key': (key) => `Bearer ${key.slice(0, -1)}`,
    'a key in lower case': (key) => `Bearer ${key.toLowerCase().replace('bl_', 'BL_')}`,
    'a key that was never made': () => `Bearer bl_${'0'.repeat(32)}`,
    'the hash of the key': (key) => `Bearer ${createHash('sha256').update(key).digest('hex')}`,
    'the id of the key': (key) => `Bearer ${createHash('sha256').update(key).digest('hex').slice(0, 12)}`,
    'a very long token': () => `Bearer ${'a'.repeat(10_000)}`,
    'letters beyond ASCII': (key) => `Bearer ${key}é`,
    'a name of Object': () => 'Bearer __proto__',
    'a wildcard': () => 'Bearer *',
    'a path': () => 'Bearer ../../keys',
    'a Redis key': () => 'Bearer bl:keys',
    'credentials of Digest': (key) => `Digest username="anna", response="${key}"`,
  };
  for (const [name, header] of Object.entries(malformed)) {
    test(name, async () => {
      const port = system.apis[0]?.port ?? 0;
      const connection = rawGet(port, '/tasks', { Authorization: header(token), Connection: 'close' });
      const text = await connection.ended;
      connection.close();
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      const status = Number(first.split(' ')[1]);
      const headers = new Headers(lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
      assertProblem({ status, headers, json: JSON.parse(body) }, 401, 'unauthorized');
      assert.equal(headers.get('www-authenticate'), 'Bearer');
      const clean = new Headers([...headers].filter(([key]) => key !== 'connection'));
      if (clean.has('keep-alive')) clean.delete('keep-alive');
      const known = JSON.parse(expected) as [number, [string, string][], string];
      const kept = known[1].filter(([key]) => key !== 'connection' && key !== 'keep-alive');
      assert.equal(comparable({ status, headers: clean, text: body }), JSON.stringify([known[0], kept, known[2]]));
    });
  }

  test('two headers, each valid by itself', async () => {
    const port = system.apis[0]?.port ?? 0;
    const connection = rawGet(port, '/tasks', {
      Authorization: `Bearer ${token}`,
      authorization: `Bearer ${token}`,
      Connection: 'close',
    });
    assert.match(await connection.ended, /^HTTP\/1\.1 401 /);
  });

  test('revoked, expired and unknown keys, each on every kind of request', async () => {
    const revoked = await keys.create('anna');
    await keys.revoke(revoked.id);
    const expired = await keys.create('anna', { expiresInMs: 1 });
    await delay(5);
    for (const bad of [revoked.token, expired.token, 'bl_x']) {
      const anna = ownerClient(one, bad);
      for (const answer of [
        await anna.get('/tasks'),
        await anna.get('/tasks/task_1'),
        await anna.get('/no/such/page'),
        await anna.post('/api/chat', chat()),
        await anna.post('/api/chat', 'no chat', { Accept: 'text/event-stream' }),
        await anna.call('DELETE', '/tasks'),
        await anna.call('OPTIONS', '/tasks'),
      ]) {
        assert.equal(comparable(answer), expected);
      }
    }
  });
});

for (const header of ['bearer KEY', 'BEARER   KEY', 'Bearer KEY'] as const) {
  test(`a valid key is taken as "${header}"`, async () => {
    const { token } = await keys.create('anna');
    const headers = { Authorization: header.replace('KEY', token) };
    assert.equal((await ask(`${one}/tasks`, { headers })).status, 200);
  });
}

test('a key that was revoked or has expired is refused by every process within 5 s, also where it was just used', async (t) => {
  const revoked = await keys.create('anna');
  const expiring = await keys.create('anna', { expiresInMs: 1_500 });
  for (const url of [one, two]) {
    assert.equal(await statusOf(url, revoked.token), 200);
    assert.equal(await statusOf(url, expiring.token), 200);
  }
  assert.equal((await keys.revoke(revoked.id))?.id, revoked.id);
  for (const { token } of [revoked, expiring]) {
    const took = await Promise.all([one, two].map((url) => seenAfter(() => statusOf(url, token), 401)));
    t.diagnostic(`refused after ${took.map(Math.round).join(' and ')} ms`);
  }
});

test('a key that was asked for before it was there is taken within 5 s', async () => {
  const { token, id } = await keys.create('anna');
  const entry = await system.redis.cli('HGETALL', 'bl:keys');
  const [hash = '', text = ''] = entry
    .split('\n')
    .flatMap((line, index, all) => (line.startsWith(id) ? [line, all[index + 1]] : []));
  await system.redis.cli('HDEL', 'bl:keys', hash);
  assert.equal(await statusOf(two, token), 401);
  await system.redis.cli('HSET', 'bl:keys', hash, text);
  await seenAfter(() => statusOf(two, token), 200);
});

test('an open stream and a long poll end within 5 s of their key', async () => {
  const { token, id: keyId } = await keys.create('anna');
  const anna = ownerClient(one, token);
  const id = await anna.submit('later', { delay_ms: 600_000 });
  const stream = await anna.stream(id);
  assert.equal(stream.status, 200);
  const polled = anna.get(`/tasks/${id}?wait=7`);
  await keys.revoke(keyId);
  const revokedAt = performance.now();
  const text = await stream.text();
  assert.ok(performance.now() - revokedAt < SEEN_MS);
  assert.match(text, /event: queued\n/);
  assert.match(text, /retry: \d{4}\n\n$/);
  assert.equal((await anna.stream(id)).status, 401, 'a stock reader stops here');
  assertProblem(await polled, 401, 'unauthorized');
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
  assert.deepEqual([ended.status, ended.json.status, 'output' in ended.json], [200, 'completed', false]);
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
  const entry = (await system.redis.cli('HGETALL', 'bl:keys')).split('\n');
  const at = entry.findIndex((line) => line.startsWith(id));
  const [hash = '', text = '{}'] = entry.slice(at, at + 2);
  const status = async (value: string) => {
    await system.redis.cli('HSET', 'bl:keys', hash, value);
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
  await system.redis.cli('DEL', 'bl:keys');
  assert.equal(await keys.count(), 0);
  const { token } = { token: `bl_${'a'.repeat(32)}` };
  for (const url of [one, two]) {
    await seenAfter(async () => (await ask(`${url}/tasks`)).status, 401);
    assert.equal(await statusOf(url, token), 401);
  }
});
