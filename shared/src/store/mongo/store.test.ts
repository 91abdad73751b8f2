/** The contract of the store, with a MongoDB or what stands for one; and what a document of 16 MB cannot hold. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type { Log } from '../../log.ts';
import { notes } from '../contract/notes.ts';
import { someMessage, someOwner, someSession, someTask, T0 } from '../contract/samples.ts';
import { storeContract } from '../contract/store.ts';
import { testDatabase, withoutMongo } from './testing/test-database.ts';

// A suite that is skipped is not counted; this is.
test('a MongoDB is there', { skip: withoutMongo }, async () => {
  const { store, drop } = testDatabase();
  const mongo = store();
  await mongo.ping();
  await mongo.close();
  await drop();
});

describe('MongoDB', { skip: withoutMongo }, () => {
  const { store, drop } = testDatabase();
  after(drop);
  storeContract('the contract of the store', async () => store());

  test('fifty first calls at once make one client, no more connections than the pool, and the indexes once', async () => {
    let clients = 0;
    let connections = 0;
    let most = 0;
    let made = 0;
    const allClosed = Promise.withResolvers<void>();
    const other = store({
      pool: 5,
      watch(client) {
        clients++;
        client.on('connectionCreated', () => {
          connections++;
          most = Math.max(most, connections);
        });
        client.on('connectionClosed', () => {
          if (--connections === 0) allClosed.resolve();
        });
        client.on('commandStarted', ({ commandName }) => {
          if (commandName === 'createIndexes') made++;
        });
      },
    });
    await Promise.all(Array.from({ length: 50 }, (_, n) => notes(other).get('nobody', String(n))));
    assert.equal(clients, 1);
    assert.ok(most >= 1 && most <= 5, String(most));
    // Of sessions, messages, tasks and notes.
    assert.equal(made, 4);
    await other.close();
    await allClosed.promise;
  });

  test('bodies of a task come back whole however large they are', async () => {
    const mongo = store();
    const owner = someOwner();
    const output = JSON.stringify(randomBytes(15 * 1024 * 1024).toString('base64'));
    const task = someTask(owner, { output }, { input: output });
    await mongo.tasks.put([task, someTask(owner)]);
    assert.deepEqual(await mongo.tasks.read(owner, task.record.id, 'whole'), task.record);
    assert.equal((await mongo.tasks.readRequest(owner, task.record.id))?.input, output);
    await mongo.close();
  });

  test('a message too large for a document, deflated and all, is kept as its text, which the log tells', async () => {
    const told: unknown[] = [];
    const log = { warn: (...line: unknown[]) => told.push(line) } as unknown as Log;
    const mongo = store({ log });
    const owner = someOwner();
    const session = someSession(owner);
    await mongo.sessions.create(session);
    const image = { type: 'image_url', image_url: { url: randomBytes(15 * 1024 * 1024).toString('base64') } };
    const content = JSON.stringify([{ type: 'text', text: 'look' }, image]);
    const large = someMessage('look', { content, createdAt: T0 });
    const small = someMessage('beans', { createdAt: T0 + 1 });
    const turn = { id: 'turn', messages: [large, small], tokens: 1, now: T0 };
    assert.equal((await mongo.messages.append(owner, session.id, turn))?.messageCount, 2);
    const page = await mongo.messages.page(owner, session.id, { limit: 5, before: null });
    assert.deepEqual(page, [{ ...large, content: '"look"' }, small]);
    assert.equal(told.length, 1);
    await mongo.close();
  });
});
