/** A later end that takes the place of an earlier one, cut off before and after each command, and repeated. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { mongoNetwork } from '../../../../scripts/testing/mongo-network.ts';
import type { Store } from '../../store.ts';
import { makeTaskId } from '../../task-id.ts';
import { someMessage, someOwner, someSession, someTask, T0 } from '../contract/samples.ts';
import { createCuts } from './testing/cut-everywhere.ts';
import { testDatabase, withoutMongo } from './testing/test-database.ts';

describe('a later end that is cut off is whole once it is repeated', { skip: withoutMongo }, () => {
  const { uri, store: open, stored, drop } = testDatabase();
  const store = open();
  let network: Awaited<ReturnType<typeof mongoNetwork>>;
  const { cutEverywhere } = createCuts(() => network, open);
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

  test('a task has one end whole or the other, and leaves nothing of the earlier one', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const early = someTask(owner);
      const { id } = early.record;
      const later = someTask(owner, { ...early.record, attempt: 2, output: '"later"' }, { input: '"later"' });
      await store.tasks.put([early]);
      const work = (on: Store) => on.tasks.put([later]);
      return {
        work,
        async check() {
          const read = await store.tasks.read(owner, id, 'whole');
          const { record, input } = read !== 'purged' && read?.attempt === 2 ? later : early;
          assert.deepEqual(read, record);
          assert.equal((await store.tasks.readRequest(owner, id))?.input, input);
          assert.deepEqual(await work(store), { overtaken: [], replacing: [id] });
          assert.deepEqual(await store.tasks.read(owner, id, 'whole'), later.record);
          assert.deepEqual(await store.tasks.readEvents(owner, id), later.events);
          const bodies = await stored.bodies.find({ '_id.owner': owner }).toArray();
          assert.deepEqual(new Set(bodies.map(({ _id }) => _id.end)), new Set([`2-${later.record.endedAt}`]));
          assert.equal((await stored.tasks.findOne({ _id: { owner, id } }))?.former, undefined);
        },
      };
    });
    assert.deepEqual(commands, ['find', 'insert', 'update', 'delete', 'update']);
  });

  test('a session has one turn of a task, which counts once', async () => {
    const commands = await cutEverywhere(async () => {
      const owner = someOwner();
      const session = someSession(owner);
      await store.sessions.create(session);
      const id = makeTaskId(T0, 0);
      const turn = (at: number, replaces: boolean) => {
        const task = { id, status: 'completed' } as const;
        const messages = [0, 1].map((n) => someMessage(`${at}`, { createdAt: at + n, task }));
        return { id, messages, tokens: at - T0, now: at, end: { attempt: 1, at, replaces } };
      };
      const [early, later] = [turn(T0 + 10, false), turn(T0 + 25, true)];
      await store.messages.append(owner, session.id, early);
      const work = (on: Store) => on.messages.append(owner, session.id, later);
      return {
        work,
        async check() {
          for (const repeat of [later, early, later]) {
            await store.messages.append(owner, session.id, repeat);
            if (repeat === early) continue;
            const found = await store.sessions.read(owner, session.id);
            assert.deepEqual([found?.messageCount, found?.totalTokens, found?.updatedAt], [2, 25, T0 + 25]);
          }
          const page = await store.messages.page(owner, session.id, { limit: 9, before: null });
          assert.deepEqual(page, later.messages);
        },
      };
    });
    assert.deepEqual(commands, [
      ...['find', 'find', 'update', 'delete'],
      ...['find', 'find', 'update', 'find', 'insert', 'findAndModify'],
    ]);
  });
});
