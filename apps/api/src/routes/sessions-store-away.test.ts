/** Sessions while the store is away, or takes no writes. */
import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { assertProblem, eventually } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient } from '../../../../scripts/testing/session-client.ts';
import { holdStoreFile } from '../../../../scripts/testing/store-file.ts';

const STORE_TIMEOUT_MS = 3_000;

let system: InProcess;
let one: ReturnType<typeof sessionClient>;
let two: ReturnType<typeof sessionClient>;
before(async () => {
  const env = { STORE_TIMEOUT_MS: String(STORE_TIMEOUT_MS), SESSION_CACHE_MS: '600000' };
  system = await startInProcess({ apis: 2, runners: 0, relays: 0, env });
  [one, two] = system.apis.map(({ url }) => sessionClient(url)) as [typeof one, typeof two];
  // On a busy machine a store's first start may take longer than its calls may here.
  for (const client of [one, two]) {
    for (const method of ['POST', 'GET']) {
      await eventually(
        () => client.call(method, SESSIONS),
        ({ status }) => status < 300,
      );
    }
  }
});
after(() => system.stop());

const hit = (answer: { headers: Headers }) => answer.headers.get('x-cache');

test('a store that takes no writes answers 503 in time, and reads go on', async (t) => {
  const id = await one.create({ title: 'before' });
  const holder = holdStoreFile(join(system.dataDir, 'store.db'));
  try {
    const writes = [
      ['POST', SESSIONS, {}],
      ['POST', `${SESSIONS}/${id}/messages`, { role: 'user', content: 'x' }],
      ['PATCH', `${SESSIONS}/${id}/title`, { title: 'after' }],
      ['DELETE', `${SESSIONS}/${id}`, undefined],
      ['PUT', '/api/chat/preferences', { language: 'en' }],
    ] as const;
    const machine = watchMachine(t, system.url);
    const startedAt = performance.now();
    const answers = await Promise.all(writes.map(([method, path, body]) => one.call(method, path, body)));
    const tookMs = performance.now() - startedAt;
    const lateMs = machine.stop();
    for (const answer of answers) {
      assertProblem(answer, 503, 'unavailable');
      assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
    }
    assert.ok(tookMs < STORE_TIMEOUT_MS + 2_000 + lateMs, `${tookMs} ms, of which ${lateMs} the machine's`);
    assert.equal((await two.get(`/${id}`)).json.session.title, 'before');
  } finally {
    holder.exec('ROLLBACK');
    holder.close();
  }
  // Whoever was told 503 may try again.
  await eventually(
    () => one.call('PATCH', `${SESSIONS}/${id}/title`, { title: 'after' }),
    ({ status }) => status === 204,
  );
  assert.equal((await two.get(`/${id}`)).json.session.title, 'after');
});

test('while the store is away what is cached is still read, and all else is 503 until it is back', async () => {
  const cached = await one.create({ title: 'cached' });
  await one.say(cached, 'hello');
  const other = await one.create({ title: 'not cached' });
  const list = await one.get('?query=hello&limit=7');
  const whole = await one.get(`/${cached}`);
  const file = join(system.dataDir, 'store.db');
  const aside = `${file}.aside`;
  for (const api of system.apis) await api.stop();
  await rename(file, aside);
  for (const end of ['-wal', '-shm']) await rm(`${file}${end}`, { force: true });
  await writeFile(file, 'this is no database, and long enough not to be taken for an empty one'.repeat(100));
  const later = await system.startApi();
  const client = sessionClient(later.url);

  const again = await client.get(`/${cached}`);
  assert.deepEqual([again.status, hit(again), again.text], [200, 'hit', whole.text]);
  assert.equal((await client.get(`/${cached}/messages`)).json.messages[0].content, 'hello');
  assert.equal((await client.get('?query=hello&limit=7')).text, list.text);
  for (const [method, path, body] of [
    ['GET', `${SESSIONS}/${other}`],
    ['GET', `${SESSIONS}/${cached}/messages?limit=200`],
    ['GET', `${SESSIONS}?limit=8`],
    ['GET', `${SESSIONS}?query=else`],
    ['GET', '/api/chat/preferences'],
    ['POST', SESSIONS, {}],
    ['POST', `${SESSIONS}/${cached}/messages`, { role: 'user', content: 'x' }],
    ['PATCH', `${SESSIONS}/${cached}/title`, { title: 'x' }],
    ['PUT', '/api/chat/preferences', {}],
    ['DELETE', '/api/chat/preferences'],
  ] as const) {
    const answer = await client.call(method, path, body);
    assertProblem(answer, 503, 'unavailable');
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/, `${method} ${path}`);
  }
  assert.equal((await client.get(`/${cached}`)).status, 200, 'a refused write has not cost the cached copy');

  await rename(aside, file);
  const back = await eventually(
    () => client.get(`/${other}`),
    ({ status }) => status === 200,
  );
  assert.equal(back.json.session.title, 'not cached');
  await client.create();
});
