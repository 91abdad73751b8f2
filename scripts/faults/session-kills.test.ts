/** Whatever is killed, cancelled, retried or away: each message of a session is kept exactly once, and the next call sees it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { freePort } from '../start/free-port.ts';
import { followToEnd, getTask, post } from '../testing/client.ts';
import { keptLines, lines, OWNER, reply, type Sessions, startSessions } from '../testing/session-chats.ts';
import { awayStore } from '../testing/store.ts';
import { type Program, SHORT_LOCK, startProgram } from '../testing/system.ts';
import { checkClean, followUntil, until } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Sessions;
before(async () => {
  system = await startSessions({ runners: 0, relays: 0 });
});
after(() => system.stop());

const programs: Program[] = [];
async function start(name: 'runner' | 'relay', env: Record<string, string> = {}) {
  const program = await (name === 'runner' ? system.startRunner(env) : system.startRelay());
  programs.push(program);
  return program;
}
afterEach(async () => {
  for (const name of ['runner', 'relay'] as const) await start(name);
  try {
    await checkClean(system);
  } finally {
    await Promise.all(programs.splice(0).map((program) => program.signal('SIGKILL')));
  }
});

const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];

async function totals(session: string) {
  const { messageCount, totalTokens } = (await system.store.sessions.read(OWNER, session)) ?? {};
  return { messageCount, totalTokens };
}

test('a runner that is killed in the middle of an answer: the turn is that of the next attempt, once', async () => {
  const session = await system.newSession();
  const runner = await start('runner', SHORT_LOCK);
  await system.ask(session, 'calm');
  system.answers.set('killed', (call) => {
    if (system.callsOf('killed').length > 1) return reply(call);
    call.text('lost words');
  });
  const id = await system.say(session, 'killed');
  await followUntil(system.url, id, 'text');
  await runner.signal('SIGKILL');
  await start('runner');
  await followToEnd(system.url, id);
  assert.equal((await getTask(system.url, id)).json.attempt, 2);
  for (const call of system.callsOf('killed')) {
    assert.deepEqual(lines(call.body.messages), [...turn('calm'), 'user: killed']);
  }
  await start('relay');
  assert.deepEqual(keptLines(await system.kept(session, 4)), [...turn('calm'), ...turn('killed')]);
});

test('a runner that is killed right after its last write: the next call sees the turn, and the relay keeps it', async () => {
  const session = await system.newSession();
  const dying = await startDying(system, 'runner', 'tasks.finish', 'SIGKILL', SHORT_LOCK);
  const id = await system.say(session, 'last words');
  await dying.died;
  assert.equal((await followToEnd(system.url, id)).at(-1)?.data.status, 'completed');
  await start('runner');
  await system.ask(session, 'next words');
  assert.deepEqual(lines(system.shown('next words')), [...turn('last words'), 'user: next words']);
  await start('relay');
  assert.deepEqual(keptLines(await system.kept(session, 4)), [...turn('last words'), ...turn('next words')]);
});

for (const write of [
  'store.tasks.put',
  'store.messages.append',
  'sessionCache.changed',
  'sessionCache.window',
  'turns.remove',
  'schedule.keep',
  'schedule.confirmBus',
]) {
  test(`a relay that is killed right after ${write}: every message is there once, for the next call and in the store`, async () => {
    const session = await system.newSession();
    await start('runner');
    await system.ask(session, `one ${write}`);
    await system.ask(session, `two ${write}`);
    const dying = await startDying(system, 'relay', write);
    await dying.died;
    await system.ask(session, `three ${write}`);
    const before = [...turn(`one ${write}`), ...turn(`two ${write}`)];
    assert.deepEqual(lines(system.shown(`three ${write}`)), [...before, `user: three ${write}`]);
    await start('relay');
    assert.deepEqual(keptLines(await system.kept(session, 6)), [...before, ...turn(`three ${write}`)]);
    assert.deepEqual(await totals(session), { messageCount: 6, totalTokens: 15 });
    await system.ask(session, `four ${write}`);
    assert.deepEqual(lines(system.shown(`four ${write}`)).slice(0, 4), before);
    await system.kept(session, 8);
  });
}

test('cancelled, retried and failed tasks leave what was said: nothing before a start, the question, and what there is of an answer', async () => {
  const session = await system.newSession();
  await start('relay');
  async function cancel(id: string) {
    const { status, text } = await post(system.url, `/tasks/${id}/cancel`, {});
    assert.equal(status, 202, text);
  }

  const waiting = await system.say(session, 'cancelled while it waits');
  await cancel(waiting);
  const ahead = await system.say(session, 'cancelled before its time', { delay_ms: 60_000 });
  await cancel(ahead);
  const soon = new Date(Date.now() + 1_000).toISOString();
  // With a key it is accepted however late it comes.
  const late = await system.send(session, 'expired', { start_by: soon }, { 'Idempotency-Key': 'expired' });
  assert.equal(late.status, 202, late.text);
  assert.equal((await followToEnd(system.url, late.json.task_id)).at(-1)?.data.status, 'expired');
  await start('runner');

  system.answers.set('cancelled in the middle', (call) => call.text('half an '));
  const running = await system.say(session, 'cancelled in the middle');
  await followUntil(system.url, running, 'text');
  await cancel(running);
  await followToEnd(system.url, running);

  system.answers.set('cancelled while parked', (call) => call.refuse(503, { 'Retry-After': '10' }));
  const parked = await system.say(session, 'cancelled while parked');
  await followUntil(system.url, parked, 'retrying');
  await cancel(parked);
  await followToEnd(system.url, parked);

  system.answers.set('refused', (call) => call.refuse(400));
  assert.equal((await system.ask(session, 'refused')).status, 'failed');

  system.answers.set('in two attempts', (call) => {
    if (system.callsOf('in two attempts').length > 1) return reply(call);
    call.text('not this');
    call.response.destroy();
  });
  const retried = await system.ask(session, 'in two attempts');
  assert.deepEqual([retried.status, retried.attempt], ['completed', 2]);

  const messages = await system.kept(session, 6);
  assert.deepEqual(keptLines(messages), [
    'user: cancelled in the middle',
    'assistant: half an ',
    'user: cancelled while parked',
    'user: refused',
    ...turn('in two attempts'),
  ]);
  assert.deepEqual(
    messages.map(({ task }) => task?.status),
    ['cancelled', 'cancelled', 'cancelled', 'failed', 'completed', 'completed'],
  );
});

test('the store is away: a task with a cached window runs, others wait without spending a failure, and go on', async () => {
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
