/** What fails of one task on its way to the store holds up no other. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../../../scripts/testing/task-redis.ts';
import { taskRelay } from '../../../../scripts/testing/task-relay.ts';
import { until } from '../../../../scripts/testing/until.ts';
import type { Deps } from '../../deps.ts';
import { TaskError } from '../../errors.ts';
import { createSessionKeys } from '../../sessions/keys.ts';
import { someSession } from '../../store/contract/samples.ts';
import type { MessageStore } from '../../store.ts';

const base = taskRelay();
/** A busy machine takes its time. */
/** Nothing leaves Redis during a test. */
const LONG = { TASK_RETENTION_MS: '600000', AUTO_TITLES: 'off' };

async function setup(t: TestContext) {
  const at = base(t);
  const { deps } = await at.program('api');
  async function newSession() {
    const session = someSession('anna');
    await deps.store.sessions.create(session);
    return session.id;
  }
  return {
    ...at,
    store: deps.store,
    newSession,
    /** A chat that has ended, in a session. */
    said: async (session_id: string, content = 'x') =>
      (await at.ended({ input: JSON.stringify({ session_id, messages: [{ role: 'user', content }] }) })).id,
    isArchived: async (id: string) => (await at.redis.zscore(at.keys.archived(0), id)) !== null,
  };
}

const withAppend = (deps: Deps, append: MessageStore['append']): Deps => ({
  ...deps,
  store: { ...deps.store, messages: { ...deps.store.messages, append } },
});

test('a task that cannot be read is tried again by itself, and stays in Redis when that does not help; the others go on', async (t) => {
  const { ended, relay, redis, keys, store, puts, isArchived } = await setup(t);
  const input = '{"session_id":"x"}';
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await ended({ input })).id);
  const [mended = '', broken = '', ...others] = ids;
  for (const id of [mended, broken])
    await redis.multi().del(keys.input(0, id)).lpush(keys.input(0, id), 'no text').exec();
  await relay(LONG);
  const after = (await ended()).id;
  for (const id of [...others, after]) await until(() => isArchived(id));
  await until(async () => (await redis.xlen(keys.outbox(0))) <= 1);
  assert.deepEqual((await redis.zrange(keys.deferred(0), '0', '-1')).sort(), [mended, broken].sort());
  await redis.set(keys.input(0, mended), input);
  await until(() => isArchived(mended));
  assert.equal((await store.tasks.readRequest('anna', mended))?.input, input);
  await until(async () => (await redis.exists(keys.deferred(0))) === 0);
  assert.ok(!(await isArchived(broken)));
  assert.equal(await redis.exists(keys.task(0, broken), keys.log(0, broken), keys.input(0, broken)), 3);
  for (const id of [...others, after]) {
    assert.equal(puts.flatMap((put) => put.tasks).filter(({ record }) => record.id === id).length, 1);
  }
});

test('a session that takes no turn is tried again by itself, and given up; every other session gets its turn once', async (t) => {
  const { relay, redis, keys, newSession, said, store, isArchived } = await setup(t);
  const bad = await newSession();
  const good = [await newSession(), await newSession(), await newSession()];
  const refused = await said(bad);
  const ids: string[] = [];
  for (const session of good) ids.push(await said(session));
  const tries = new Map<string, number>();
  await relay(LONG, undefined, (deps) =>
    withAppend(deps, async (owner, session, turn) => {
      tries.set(session, (tries.get(session) ?? 0) + 1);
      if (session === bad) throw new TaskError('internal', 'no');
      return deps.store.messages.append(owner, session, turn);
    }),
  );
  for (const id of ids) await until(() => isArchived(id));
  const isGivenUp = () => (tries.get(bad) ?? 0) >= 10;
  assert.ok(!(await isArchived(refused)) || isGivenUp(), 'it does not leave Redis while it is tried');
  await until(() => isArchived(refused));
  await until(async () => (await redis.exists(keys.deferred(0))) === 0);
  assert.ok(isGivenUp());
  for (const session of good) {
    assert.equal(tries.get(session), 1);
    assert.equal((await store.sessions.read('anna', session))?.messageCount, 1);
  }
});

test('a session whose keys Redis does not take is tried until it does, and nobody says that the store is away', async (t) => {
  const { relay, redis, keys, newSession, said, store, isArchived } = await setup(t);
  const session = await newSession();
  const id = await said(session);
  await redis.zadd(createSessionKeys(keys.prefix).turns(session), 0, id);
  const lines: string[] = [];
  let failures = 0;
  await relay(LONG, undefined, (deps) => ({
    ...deps,
    log: { ...silentLog, warn: (_: unknown, line?: string) => void lines.push(line ?? '') },
    sessionCache: {
      ...deps.sessionCache,
      changed: async (owner, id) => (failures++ < 15 ? false : deps.sessionCache.changed(owner, id)),
    },
  }));
  await until(() => isArchived(id));
  assert.ok(failures > 15, `${failures} tries`);
  assert.equal(await redis.exists(createSessionKeys(keys.prefix).turns(session)), 0);
  assert.equal((await store.sessions.read('anna', session))?.messageCount, 1);
  assert.ok(!lines.join('').includes('the store is away'));
});

test('the turns of a batch come to their sessions four at a time, those of one session in their order', async (t) => {
  const { relay, newSession, said, isArchived } = await setup(t);
  const sessions: string[] = [];
  for (let i = 0; i < 8; i++) sessions.push(await newSession());
  const wanted = new Map<string, string[]>(sessions.map((session) => [session, []]));
  for (let i = 0; i < 40; i++) {
    const session = sessions[i % sessions.length] ?? '';
    wanted.get(session)?.push(await said(session));
  }
  const order = new Map<string, string[]>(sessions.map((session) => [session, []]));
  let now = 0;
  let most = 0;
  await relay(LONG, undefined, (deps) =>
    withAppend(deps, async (owner, session, turn) => {
      // One that was not confirmed comes again.
      if (!order.get(session)?.includes(turn.id)) order.get(session)?.push(turn.id);
      most = Math.max(most, ++now);
      try {
        return await deps.store.messages.append(owner, session, turn);
      } finally {
        now--;
      }
    }),
  );
  for (const id of [...wanted.values()].flat()) await until(() => isArchived(id));
  assert.deepEqual(order, wanted);
  assert.equal(most, 4);
});
