import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { chat } from '../../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { comparable, keyring, ownerClient } from '../../../../../scripts/testing/owners.ts';
import { ask, assertProblem, rawGet } from '../../../../../scripts/testing/raw.ts';

let system: InProcess;
let keys: ReturnType<typeof keyring>;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0, env: { API_KEYS: 'carol:carol-key-0123456789' } });
  keys = keyring(system.redis.url, system.prefix);
});
after(async () => {
  keys.close();
  await system.stop();
});

describe('a header that is no valid key is answered 401 in the same bytes:', () => {
  let expected = '';
  let token = '';
  before(async () => {
    token = (await keys.create('anna')).token;
    expected = comparable(await ask(`${system.url}/tasks`));
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
    const expired = await keys.create('anna', { expiresInMs: -10_000 });
    for (const bad of [revoked.token, expired.token, 'bl_x']) {
      const anna = ownerClient(system.url, bad);
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
    assert.equal((await ask(`${system.url}/tasks`, { headers })).status, 200);
  });
}
