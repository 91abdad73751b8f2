import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRelay } from '../../../scripts/testing/task-relay.ts';
import { TaskError } from '../errors.ts';
import { withParts } from '../parts.ts';
import { someMessage, someSession, T0 } from '../store/contract/samples.ts';
import { type SubmitRequest, submitTask } from '../tasks/submit-task.ts';
import { createSessionKeys } from './keys.ts';
import { readStoredWindow } from './window/window.ts';

const base = taskRelay();
const OWNER = 'anna';
const MB = 1_000_000;

async function setup(t: TestContext) {
  const at = base(t);
  const { deps } = await at.program('api');
  const session = someSession(OWNER);
  await deps.store.sessions.create(session);
  const type = deps.catalog.get('chat.request');
  assert.ok(type);
  const submit = (of: typeof deps, owner = OWNER) => {
    const input = { session_id: session.id, messages: [{ role: 'user', content: 'x' }] };
    const request: SubmitRequest = {
      owner,
      spread: false,
      type,
      input: JSON.stringify(input),
      value: input,
      inputPath: [],
      options: {
        ...{ priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 1 },
        ...{ runAt: 0, delayMs: 0, startBy: undefined },
      },
      given: {},
      idempotencyKey: undefined,
      requestId: 'r',
      traceparent: undefined,
    };
    return submitTask(withParts(of), request);
  };
  /** Adds messages of so many characters, each as a turn of its own. */
  async function say(sizes: number[]) {
    for (const [index, size] of sizes.entries()) {
      const message = someMessage(String(index).padEnd(size, 'x'), { createdAt: T0 + index });
      await deps.store.messages.append(OWNER, session.id, { id: message.id, messages: [message], tokens: 1, now: T0 });
    }
  }
  return { ...at, deps, session, submit, say };
}

test('a submit asks whose its session is, once, and reads none of its messages', async (t) => {
  const { deps, submit, say } = await setup(t);
  await say([10]);
  let asked = 0;
  const never = () => assert.fail('a message was read');
  const store = {
    ...deps.store,
    sessions: {
      ...deps.store.sessions,
      read(owner: string, id: string) {
        asked++;
        return deps.store.sessions.read(owner, id);
      },
    },
    messages: { ...deps.store.messages, page: never, range: never },
  };
  for (let i = 0; i < 5; i++) assert.equal((await submit({ ...deps, store })).replayed, false);
  assert.equal(asked, 1);
  // What is known of one owner answers no other one.
  await assert.rejects(submit({ ...deps, store }, 'ben'), { code: 'not_found' });
  assert.equal(asked, 2);
  const away = () => Promise.reject(new TaskError('unavailable', 'away'));
  const without = { ...store, sessions: { ...store.sessions, read: away } };
  assert.equal((await submit({ ...deps, store: without })).replayed, false);
  await assert.rejects(submit({ ...deps, store: without }, 'ben'), { code: 'unavailable' });
});

test('a deleted session is refused by every process at once, also by one that was asking the store meanwhile', async (t) => {
  const { deps, submit, session, program } = await setup(t);
  const other = await program('api');
  await submit(deps);
  assert.equal(await deps.store.sessions.delete(OWNER, session.id), true);
  await other.deps.sessionCache.deleted(OWNER, session.id);
  for (const one of [deps, other.deps]) await assert.rejects(submit(one), { code: 'not_found' });

  await deps.store.sessions.create(session);
  const read = async () => {
    const found = await deps.store.sessions.read(OWNER, session.id);
    await deps.store.sessions.delete(OWNER, session.id);
    await other.deps.sessionCache.deleted(OWNER, session.id);
    return found;
  };
  const slow = { ...deps, store: { ...deps.store, sessions: { ...deps.store.sessions, read } } };
  assert.equal((await submit(slow)).replayed, false);
  for (const one of [deps, other.deps]) await assert.rejects(submit(one), { code: 'not_found' });
});

test('other changes of a session leave it known whose it is', async (t) => {
  const { deps, submit, session, redis, keys } = await setup(t);
  await submit(deps);
  await deps.sessionCache.changed(OWNER, session.id);
  assert.equal(await redis.hget(createSessionKeys(keys.prefix).owner(OWNER, session.id), 'json'), 'true');
});

test('a window of large messages is what 12 MB hold, the newest, and not all of them are read', async (t) => {
  const { deps, say, session } = await setup(t);
  await say([...Array.from({ length: 8 }, () => 5 * MB), 10, 10]);
  let read = 0;
  const page: typeof deps.store.messages.page = async (...asked) => {
    const messages = await deps.store.messages.page(...asked);
    read += messages.length;
    return messages;
  };
  const store = { ...deps.store, messages: { ...deps.store.messages, page } };
  const window = await readStoredWindow({ ...deps, store }, OWNER, session.id);
  assert.deepEqual(
    window?.messages.map(({ text }) => text.length),
    [5 * MB, 5 * MB, 5 * MB, 10, 10],
  );
  assert.ok(read <= 6, `${read} messages were read`);
});
