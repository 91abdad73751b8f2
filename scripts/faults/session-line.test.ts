/** One turn at a time (`on_busy: queue`), while the runner that has it dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followToEnd, getTask, post } from '../testing/client.ts';
import { asked, reply, startSessions } from '../testing/session-chats.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { checkClean } from './checks.ts';

test('a runner is killed in the middle of a turn: another one finishes it, and only then the line moves on', async (t) => {
  const system = await startSessions({ runners: 0, env: SHORT_LOCK });
  t.after(system.stop);
  const session = await system.newSession();
  const heard: string[] = [];
  let running = 0;
  let atOnce = 0;
  const started = Promise.withResolvers<void>();
  system.upstream.answer = (call) => {
    heard.push(asked(call));
    running++;
    atOnce = Math.max(atOnce, running);
    void call.closed.then(() => running--);
    if (heard.length > 1) return reply(call);
    // The first turn has begun to speak, and is not done.
    call.text('re: ');
    started.resolve();
  };
  const say = (text: string) => system.say(session, text, { on_busy: 'queue' });
  const dying = await system.startRunner();
  const ids = [];
  for (const text of ['one', 'two', 'three']) ids.push(await say(text));
  await started.promise;
  await dying.signal('SIGKILL');
  await system.startRunner();
  for (const id of ids) assert.equal((await followToEnd(system.url, id)).at(-1)?.data.status, 'completed');
  assert.deepEqual(heard, ['one', 'one', 'two', 'three']);
  assert.equal(atOnce, 1);
  const attempts = await Promise.all(ids.map(async (id) => (await getTask(system.url, id)).json.attempt));
  assert.deepEqual(attempts, [2, 1, 1]);
  await checkClean(system);
});

test('a runner is killed and its task cancelled: the line moves on', async (t) => {
  const system = await startSessions({ runners: 0, env: SHORT_LOCK });
  t.after(system.stop);
  const session = await system.newSession();
  const started = Promise.withResolvers<void>();
  system.upstream.answer = (call) => {
    if (asked(call) !== 'one') return reply(call);
    call.text('re: ');
    started.resolve();
  };
  const say = (text: string) => system.say(session, text, { on_busy: 'queue' });
  const dying = await system.startRunner();
  const one = await say('one');
  const two = await say('two');
  await started.promise;
  await dying.signal('SIGKILL');
  await post(system.url, `/tasks/${one}/cancel`, {});
  await system.startRunner();
  assert.equal((await followToEnd(system.url, one)).at(-1)?.data.status, 'cancelled');
  assert.equal((await followToEnd(system.url, two)).at(-1)?.data.status, 'completed');
  await checkClean(system);
});
