/** A power cut takes the end of a task from Redis that the store has already: the task ends again, and that end stands everywhere. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRelay } from '../../../../scripts/testing/task-relay.ts';
import { until } from '../../../../scripts/testing/until.ts';
import { readSession } from '../../sessions/read-session.ts';
import { createSessionContext } from '../../sessions/window/context.ts';
import { readWindow } from '../../sessions/window/window.ts';
import { someMessage, someSession } from '../../store/contract/samples.ts';
import { readTask } from '../../tasks/read-task.ts';

const base = taskRelay();
const LONG = { TASK_RETENTION_MS: '600000', AUTO_TITLES: 'off' };

async function setup(t: TestContext) {
  const at = base(t);
  const { deps } = await at.program('api');
  const session = someSession('anna');
  await deps.store.sessions.create(session);
  const posted = someMessage('posted');
  await deps.store.messages.append('anna', session.id, {
    id: posted.id,
    messages: [posted],
    tokens: 1,
    now: Date.now(),
  });
  const input = JSON.stringify({ session_id: session.id, messages: [{ role: 'user', content: 'Which colour?' }] });
  const { ref, lastId } = await at.running({ input });
  await deps.turns.begin(session.id, ref.id);

  /** Ends the task, and brings that to the store. */
  const end = (content: string, outputTokens: number) =>
    at.tasks.finish(ref, {
      ...at.ending(lastId),
      output: JSON.stringify({ role: 'assistant', content, model: 'm', provider: 'p', finish_reason: 'stop' }),
      usage: { inputTokens: 10, outputTokens, estimated: false },
    });
  async function archived(env: Record<string, string> = LONG) {
    const relay = await at.relay(env);
    await until(async () => (await at.redis.xlen(at.keys.outbox(0))) <= 1);
    return relay;
  }

  /** Of every key what Redis has written to its disk so far. */
  async function onDisk() {
    const dumps = (await at.allKeys()).map(async (key) => [key, await at.redis.dumpBuffer(key)] as const);
    return Promise.all(dumps);
  }
  /** All that came later is lost. */
  async function powerCut(kept: Awaited<ReturnType<typeof onDisk>>) {
    await at.redis.del(...(await at.allKeys()));
    for (const [key, dump] of kept) if (dump) await at.redis.restore(key, 0, dump);
  }
  const said = async () => {
    const { session: read, page } = await readSession(deps, 'anna', session.id);
    const texts = page.messages.map(({ content }) => content);
    return { texts, count: read.messageCount, tokens: read.totalTokens };
  };
  return { ...at, deps, id: ref.id, sessionId: session.id, end, archived, onDisk, powerCut, said };
}

test('the end that Redis shows is the one that the store and the session have in the end', async (t) => {
  const { deps, id, sessionId, end, archived, onDisk, powerCut, said, redis, keys } = await setup(t);
  const kept = await onDisk();
  await end('Green.', 5);
  await (await archived()).stop();
  const first = { texts: ['posted', 'Which colour?', 'Green.'], count: 3, tokens: 16 };
  assert.deepEqual(await said(), first);

  await powerCut(kept);
  assert.deepEqual(await said(), first);
  // The model is not shown what this very task has said.
  const context = createSessionContext(deps, { owner: 'anna', task: id, turnOf: null });
  const asked = [{ role: 'user' as const, content: 'Which colour?' }];
  const shown = (await context.window(sessionId, asked)).map(({ content }) => content);
  assert.deepEqual(shown, ['posted', 'Which colour?']);

  await end('Blue, I think.', 9);
  const second = { texts: ['posted', 'Which colour?', 'Blue, I think.'], count: 3, tokens: 20 };
  // Before the store knows, too.
  assert.deepEqual(await said(), second);
  const window = await readWindow(deps, 'anna', sessionId);
  assert.deepEqual(
    window?.messages.map(({ text }) => text),
    second.texts,
  );
  const { output, endedAt } = await readTask(deps, 'anna', id);

  const relay = await archived();
  assert.deepEqual(await said(), second);
  const stored = await deps.store.sessions.read('anna', sessionId);
  assert.deepEqual([stored?.messageCount, stored?.totalTokens], [3, 20]);
  await relay.stop();
  await redis.zadd(keys.archived(0), 'XX', 1, id);
  await archived();
  await until(async () => (await redis.exists(keys.task(0, id))) === 0);
  const { archived: isArchived, ...after } = await readTask(deps, 'anna', id);
  assert.deepEqual([isArchived, after.output, after.endedAt], [true, output, endedAt]);
  assert.deepEqual(await said(), second);
});

test('an end of fewer attempts is no later one: what the store has stands, in the session too', async (t) => {
  const at = base(t);
  const { deps } = await at.program('api');
  const session = someSession('anna');
  await deps.store.sessions.create(session);
  const input = JSON.stringify({ session_id: session.id, messages: [{ role: 'user', content: 'x' }] });
  const id = await at.create({ input });
  const kept = await Promise.all(
    (await at.allKeys()).map(async (key) => [key, await at.redis.dumpBuffer(key)] as const),
  );
  const { ref, lastId } = await at.begin(id);
  await at.tasks.finish(ref, at.ending(lastId));
  const first = await at.relay(LONG);
  await until(async () => (await deps.store.sessions.read('anna', session.id))?.messageCount === 1);
  await first.stop();
  await at.redis.del(...(await at.allKeys()));
  for (const [key, dump] of kept) if (dump) await at.redis.restore(key, 0, dump);
  assert.equal((await at.tasks.cancel(id, 'anna', { nonce: 'n' })).verdict, 'cancelled');
  await at.relay(LONG);
  await until(async () => (await at.redis.xlen(at.keys.outbox(0))) <= 1);
  const read = await deps.store.tasks.read('anna', id, 'whole');
  assert.equal(read !== 'purged' && read?.status, 'completed');
  assert.equal((await deps.store.sessions.read('anna', session.id))?.messageCount, 1);
});
