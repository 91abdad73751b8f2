/** The store is away, or a relay dies right after it has written there: each message of a session is kept exactly once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../start/free-port.ts';
import { followToEnd, getTask, post } from '../testing/client.ts';
import { lines, OWNER } from '../testing/session-chats.ts';
import { awayStore } from '../testing/store.ts';
import { startProgram } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { followUntil } from './checks.ts';
import { sessionDeaths, turn } from './session-deaths.ts';

const deaths = sessionDeaths();
const { programs, start, relayDiesAfter } = deaths;

relayDiesAfter('store.tasks.put');
relayDiesAfter('store.messages.append');

test('the store is away: a task with a cached window runs, others wait without spending a failure, and go on', async () => {
  const system = deaths.system();
  const warm = await system.newSession();
  const cold = await system.newSession();
  const normal = await start('runner');
  const relay = await start('relay');
  await system.ask(warm, 'warm');
  await system.ask(cold, 'cold');
  await system.kept(warm, 2);
  await system.kept(cold, 2);
  const cached = async (session: string) =>
    (await system.redis.cli('hexists', `bl:{s:${session}}:window`, 'json')) === '1';
  await until('the relay has put the windows in', async () => (await cached(warm)) && (await cached(cold)));
  await normal.signal('SIGKILL');
  await relay.signal('SIGKILL');

  const away = await awayStore(system);
  try {
    // The API has a store: when it has looked, the window is there again. So it goes after that, and before there is a runner.
    const waiting = await system.say(cold, 'cold and away');
    await system.redis.cli('del', `bl:{s:${cold}}:window`);
    await start('runner', away.env);
    await system.ask(warm, 'warm and away');
    assert.deepEqual(lines(system.shown('warm and away')), [...turn('warm'), 'user: warm and away']);
    const { reason, delay_ms } = (await followUntil(system.url, waiting, 'retrying')).at(-1)?.data ?? {};
    assert.deepEqual([reason, delay_ms], ['unavailable', 5_000]);
    assert.equal(system.callsOf('cold and away').length, 0);
    away.comeBack();
    await followToEnd(system.url, waiting);
    const { json } = await getTask(system.url, waiting);
    assert.deepEqual([json.status, json.failures], ['completed', 0]);
    assert.ok(json.attempt >= 2);
    assert.deepEqual(lines(system.shown('cold and away')), [...turn('cold'), 'user: cold and away']);
  } finally {
    await away.stop();
  }
});

test('the store is away for an API: a request is refused with 503, unless its session is cached or it is a replay', async () => {
  const system = deaths.system();
  const away = await awayStore(system);
  const port = await freePort();
  const env = { ...system.env, ...away.env, PORT: String(port) };
  const api = startProgram('api', env);
  programs.push(api);
  const url = `http://127.0.0.1:${port}`;
  await until('the API has its Redis', async () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  try {
    const session = await system.newSession();
    const body = { session_id: session, messages: [{ role: 'user', content: 'to nobody' }] };
    const key = { 'Idempotency-Key': `key-of-${session}` };
    const refused = await post(url, '/api/chat', body, key);
    assert.deepEqual([refused.status, refused.json.code], [503, 'unavailable']);
    assert.match(refused.json.detail, /^The store /);
    assert.ok(refused.headers.get('Retry-After'));
    const first = await system.send(session, 'to nobody', {}, key);
    assert.equal(first.status, 202);
    assert.equal((await post(url, '/api/chat', body)).status, 202, 'the other API has cached whose it is');
    await system.redis.cli('del', `bl:{s:${session}}:owner:${OWNER}`);
    const again = await post(url, '/api/chat', body, key);
    assert.deepEqual([again.status, again.json.task_id], [202, first.json.task_id]);
    assert.equal((await post(url, '/api/chat', body)).status, 503);
  } finally {
    await away.stop();
  }
});
