/** Sessions live in the store: without Redis, or with a full one, they are read and written all the same. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { bearer } from '../../../../scripts/testing/owners.ts';
import { ask, assertProblem, eventually } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient, UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';

const KEY = 'anna-key-0123456789';
const OTHER_KEY = 'bens-key-0123456789';
/** What a request may take that first has to learn that Redis is away. */
const SOON_MS = 2_000;

let redis: Awaited<ReturnType<typeof testRedis>>;
let system: InProcess;
let client: ReturnType<typeof sessionClient>;
before(async () => {
  redis = await testRedis();
  // A rate is counted in Redis, and no request passes uncounted.
  const env = { API_KEYS: `anna:${KEY},ben:${OTHER_KEY}`, RATE_LIMIT: '0' };
  system = await startInProcess({ redis, runners: 0, relays: 0, env });
  client = sessionClient(system.url, bearer(KEY));
});
after(async () => {
  await system.stop();
  await redis.stop();
});

async function everything() {
  const startedAt = performance.now();
  const id = await client.create({ title: 'all the same' });
  await client.say(id, 'hello');
  assert.equal((await client.call('PATCH', `${SESSIONS}/${id}/title`, { title: 'renamed' })).status, 204);
  for (let i = 0; i < 2; i++) {
    const { json, headers } = await client.get(`/${id}`);
    assert.deepEqual([json.session.title, json.session.messages.length], ['renamed', 1]);
    assert.equal(headers.get('x-cache'), 'miss');
    assert.equal((await client.get(`/${id}/messages`)).json.count, 1);
    assert.equal((await client.get('?query=renamed')).json.sessions[0].session_id, id);
  }
  assert.equal((await client.call('PUT', '/api/chat/preferences', { language: 'ko' })).status, 200);
  assert.deepEqual((await client.call('GET', '/api/chat/preferences')).json, { language: 'ko' });
  assert.equal((await client.call('DELETE', `${SESSIONS}/${id}`)).status, 204);
  assertProblem(await client.get(`/${id}`), 404, 'not_found');
  return performance.now() - startedAt;
}

for (const [what, take, give] of [
  ['frozen', () => redis.pause(), () => redis.resume()],
  ['gone', () => redis.kill(), () => redis.restart()],
] as const) {
  test(`with Redis ${what} everything about sessions goes on, but for what an Idempotency-Key promises; what was cached before is not believed after`, async (t) => {
    const id = await client.create({ title: 'before' });
    for (let i = 0; i < 2; i++) await client.get(`/${id}`);
    await take();
    t.after(give);
    const isAway = async () => (await ask(`${system.url}/readyz`)).status === 503;
    await eventually(isAway, (away) => away);
    const machine = watchMachine(t, system.url);
    const tookMs = await everything();
    const lateMs = machine.stop();
    assert.ok(tookMs < SOON_MS * 5 + lateMs, `${tookMs} ms, of which ${lateMs} the machine's`);
    const body = { role: 'user', content: 'once' };
    const once = await client.call('POST', `${SESSIONS}/${id}/messages`, body, { 'Idempotency-Key': what });
    assertProblem(once, 503, 'unavailable');
    assert.equal((await client.call('PATCH', `${SESSIONS}/${id}/title`, { title: 'after' })).status, 204);
    await give();
    await eventually(isAway, (away) => !away);
    assert.equal((await client.get(`/${id}`)).json.session.title, 'after');
    assert.equal((await client.get(`/${id}`)).json.session.message_count, 0, 'nothing came of the refused message');
  });
}

test("an Idempotency-Key for a session that is not there, is no more or is another one's claims nothing", async () => {
  const body = { role: 'user', content: 'to nobody' };
  const foreign = await sessionClient(system.url, bearer(OTHER_KEY)).create();
  const gone = await client.create();
  // Redis has just come back.
  await eventually(
    () => client.call('POST', `${SESSIONS}/${gone}/messages`, body, { 'Idempotency-Key': 'before' }),
    ({ status }) => status === 201,
  );
  assert.equal((await client.call('DELETE', `${SESSIONS}/${gone}`)).status, 204);
  const claims = async () => (await redis.cli('--raw', 'keys', `${system.prefix}:claim:*`)).trim();
  const before = await claims();
  assert.notEqual(before, '', 'the one of the session that was there');
  for (const id of [UNKNOWN_SESSION, foreign, gone]) {
    const path = `${SESSIONS}/${id}/messages`;
    assertProblem(await client.call('POST', path, body, { 'Idempotency-Key': 'nothing' }), 404, 'not_found');
  }
  assert.equal(await claims(), before);
});

test('with Redis full everything about sessions goes on, and no cache takes what room is left', async () => {
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1mb');
  await eventually(
    () => ask(`${system.url}/readyz`),
    ({ json }) => json.checks.writes === 'full',
  );
  const keys = async () => (await redis.cli('--scan')).split('\n');
  const before = new Set(await keys());
  await everything();
  const path = `${SESSIONS}/${await client.create()}/messages`;
  const once = await client.call('POST', path, { role: 'user', content: 'once' }, { 'Idempotency-Key': 'full' });
  assertProblem(once, 503, 'unavailable');
  // What was there may have gone meanwhile.
  assert.deepEqual(
    (await keys()).filter((key) => !before.has(key)),
    [],
  );
});
