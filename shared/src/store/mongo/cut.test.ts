/**
 * MongoDB without transactions: every write of several commands is cut off before and after each of them, as a crash, a lost
 * answer or a lost primary would, and repeated.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { mongoNetwork } from '../../../../scripts/testing/mongo-network.ts';
import type { Store } from '../../store.ts';
import { notes } from '../contract/notes.ts';
import { someMessage, someOwner, someSession, someTask, T0 } from '../contract/samples.ts';
import { createCuts } from './testing/cut-everywhere.ts';
import { testDatabase, withoutMongo } from './testing/test-database.ts';

/** As many counted messages as a session may remember. */
const LONG = 192;

describe('what is cut off is whole once it is repeated', { skip: withoutMongo }, () => {
  const { uri, store: open, stored, drop } = testDatabase();
  const store = open();
  let network: Awaited<ReturnType<typeof mongoNetwork>>;
  before(async () => {
    await store.ping();
    network = await mongoNetwork(uri);
  });
  after(async () => {
    await store.close();
    await network.stop();
    await drop();
  });
  beforeEach(() => network.comeBack());

  const { cutOff, cutEverywhere } = createCuts(() => network, open);

  test('a turn is there once and counted once, wherever its writing was cut off', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const session = someSession(owner);
      await store.sessions.create(session);
      const messages = [0, 1].map((n) => someMessage(`m${n}`, { createdAt: T0 + n }));
      const turn = { id: 'task_1', messages, tokens: 10, now: T0 + 9 };
      const work = (on: Store) => on.messages.append(owner, session.id, turn);
      return {
        work,
        async check() {
          const expected = { ...session, messageCount: 2, totalTokens: 10, updatedAt: T0 + 9 };
          for (let i = 0; i < 2; i++) assert.deepEqual(await work(store), expected);
          assert.deepEqual(await store.messages.page(owner, session.id, { limit: 9, before: null }), messages);
        },
      };
    });
    assert.deepEqual(commands, ['find', 'insert', 'findAndModify']);
  });

  test('a turn that lets go of counted ones counts once, and those are never counted again', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const session = someSession(owner);
      await store.sessions.create(session);
      const many = Array.from({ length: LONG }, (_, n) => someMessage(`m${n}`, { createdAt: T0 + n }));
      const early = { id: 'early', messages: many, tokens: 5, now: T0 };
      await store.messages.append(owner, session.id, early);
      const last = { id: 'last', messages: [someMessage('last', { createdAt: T0 + 999 })], tokens: 1, now: T0 };
      const work = (on: Store) => on.messages.append(owner, session.id, last);
      return {
        work,
        async check() {
          for (const turn of [last, early, last]) {
            const found = await store.messages.append(owner, session.id, turn);
            assert.deepEqual([found?.messageCount, found?.totalTokens], [LONG + 1, 6]);
          }
          const one = { id: 'one', messages: [someMessage('one', { createdAt: T0 + 1_000 })], tokens: 1, now: T0 };
          const found = await store.messages.append(owner, session.id, one);
          assert.equal(found?.messageCount, LONG + 2);
          const kept = await stored.sessions.findOne({ _id: { owner, id: session.id } });
          assert.ok((kept?.counted.length ?? LONG) < LONG, 'the list of counted ones stays short');
        },
      };
    });
    assert.deepEqual(commands, ['find', 'insert', 'findAndModify', 'update', 'update']);
  });

  test('a repeat that is overtaken by another one and a letting go does not count again', async () => {
    const owner = someOwner();
    const session = someSession(owner);
    await store.sessions.create(session);
    const message = someMessage('early');
    const turn = { id: message.id, messages: [message], tokens: 1, now: T0 };
    const slow = open({ uri: network.uri });
    await notes(slow).get('nobody', 'nothing');
    const held = network.holdAt(3);
    const append = slow.messages.append(owner, session.id, turn);
    await held.reached;
    assert.deepEqual(network.commands, ['find', 'insert', 'findAndModify']);
    await store.messages.append(owner, session.id, turn);
    const many = Array.from({ length: LONG }, (_, n) => someMessage(`m${n}`, { createdAt: T0 + n }));
    await store.messages.append(owner, session.id, { id: 'many', messages: many, tokens: 5, now: T0 });
    const kept = await stored.sessions.findOne({ _id: { owner, id: session.id } });
    assert.ok(!kept?.counted.includes(message.id), 'it was let go of');
    held.release();
    const after = await append;
    await slow.close();
    assert.deepEqual([after?.messageCount, after?.totalTokens], [LONG + 1, 6]);
  });

  test('a task is whole or not there, wherever putting it was cut off', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const tasks = [0, 1, 2].map((n) => someTask(owner, { createdAt: T0 + n }));
      const whole = async () => {
        let found = 0;
        for (const { record, input, events } of tasks) {
          const read = await store.tasks.read(owner, record.id, 'whole');
          if (read === null) continue;
          assert.deepEqual(read, record);
          assert.equal((await store.tasks.readRequest(owner, record.id))?.input, input);
          assert.deepEqual(await store.tasks.readEvents(owner, record.id), events);
          found++;
        }
        return found;
      };
      const work = (on: Store) => on.tasks.put(tasks);
      return {
        work,
        async check() {
          await whole();
          await work(store);
          assert.equal(await whole(), tasks.length);
          assert.equal((await store.tasks.list(owner, { limit: 9, before: null })).length, tasks.length);
        },
      };
    });
    assert.deepEqual(commands, ['find', 'insert', 'insert']);
  });

  test('a task is whole or purged, and leaves nothing, wherever its purge was cut off', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const task = someTask(owner, { endedAt: 1_000 });
      const { id } = task.record;
      await store.tasks.put([task]);
      const work = (on: Store) => on.tasks.purge(2_000, 10);
      return {
        work,
        async check() {
          const read = await store.tasks.read(owner, id, 'whole');
          if (read !== 'purged') assert.deepEqual(read, task.record);
          await work(store);
          await store.tasks.put([task]);
          assert.equal(await store.tasks.read(owner, id, 'whole'), 'purged');
          assert.deepEqual(await store.tasks.list(owner, { limit: 9, before: null }), []);
          assert.deepEqual(await stored.tasks.findOne({ _id: { owner, id } }), { _id: { owner, id } });
          assert.equal(await stored.bodies.countDocuments({ '_id.owner': owner }), 0);
        },
      };
    });
    assert.deepEqual(commands, ['find', 'update', 'delete', 'update']);
  });

  test('a session whose deletion was cut off is whole or gone at once, and leaves nothing after the repeat', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const session = someSession(owner, { title: 'bean', titleBy: 'client' });
      await store.sessions.create(session);
      const message = someMessage('a bean');
      await store.messages.append(owner, session.id, { id: message.id, messages: [message], tokens: 1, now: T0 });
      const work = (on: Store) => on.sessions.delete(owner, session.id);
      return {
        work,
        async check() {
          const there = (await store.sessions.read(owner, session.id)) !== null;
          const page = await store.messages.page(owner, session.id, { limit: 9, before: null });
          assert.deepEqual(page, there ? [message] : []);
          assert.equal((await store.messages.matching(owner, 'bean', 9)).length, there ? 1 : 0);
          assert.equal((await store.sessions.titled(owner, 'bean', 9)).length, there ? 1 : 0);
          await work(store);
          assert.equal(await stored.messages.countDocuments({ owner }), 0);
          assert.equal(await stored.sessions.countDocuments({ '_id.owner': owner }), 0);
        },
      };
    });
    assert.deepEqual(commands, ['update', 'find', 'find', 'delete', 'delete']);
  });

  test('a turn whose session goes away meanwhile leaves nothing once it is repeated', async () => {
    const owner = someOwner();
    const session = someSession(owner);
    await store.sessions.create(session);
    const message = someMessage('orphan');
    const turn = { id: message.id, messages: [message], tokens: 1, now: T0 };
    const work = (on: Store) => on.messages.append(owner, session.id, turn);
    const outcome = await cutOff({ command: 3, side: 'before' }, work);
    assert.equal((outcome as { code?: string } | null)?.code, 'unavailable');
    assert.deepEqual(network.commands, ['find', 'insert', 'findAndModify']);
    // As a racing process that began to delete before that insert, and looked for messages before it.
    await stored.sessions.deleteOne({ _id: { owner, id: session.id } });
    assert.deepEqual(await store.messages.matching(owner, 'orphan', 9), []);
    assert.deepEqual(await store.messages.page(owner, session.id, { limit: 9, before: null }), []);
    assert.equal(await store.messages.append(owner, session.id, turn), null);
    assert.equal(await stored.messages.countDocuments({ owner }), 0);
  });
});
