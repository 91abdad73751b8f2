/** Whatever is killed, cancelled or retried: each message of a session is kept exactly once, and the next call sees it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followToEnd, getTask, post } from '../testing/client.ts';
import { keptLines, lines, reply } from '../testing/session-chats.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { followUntil } from './checks.ts';
import { sessionDeaths, turn } from './session-deaths.ts';
import { startDying } from './start-dying.ts';

const deaths = sessionDeaths();
const { start, relayDiesAfter } = deaths;

test('a runner that is killed in the middle of an answer: the turn is that of the next attempt, once', async () => {
  const system = deaths.system();
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
  const system = deaths.system();
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

relayDiesAfter('sessionCache.changed');
relayDiesAfter('sessionCache.window');
relayDiesAfter('turns.remove');
relayDiesAfter('retention.keep');
relayDiesAfter('outbox.confirm');

test('cancelled, retried and failed tasks leave what was said: nothing before a start, the question, and what there is of an answer', async () => {
  const system = deaths.system();
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
