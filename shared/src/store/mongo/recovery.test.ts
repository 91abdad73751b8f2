/** A MongoDB whose connections are cut while it is there: the store goes on by itself, and what it wrote is there once. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { mongoNetwork } from '../../../../scripts/testing/mongo-network.ts';
import type { Store } from '../../store.ts';
import { notes } from '../contract/notes.ts';
import { someMessage, someOwner, someSession, someTask, T0 } from '../contract/samples.ts';
import { eventually, testDatabase, withoutMongo } from './testing/test-database.ts';

const TIMEOUT_MS = 20_000;
/** The driver looks at a server at once when this time has passed since it did (`minHeartbeatFrequencyMS`), and a bit. */
const LOOKS_AGAIN_AFTER_MS = 550;

describe('a MongoDB whose connections are cut', { skip: withoutMongo }, () => {
  const { uri, store: open, drop } = testDatabase();
  const patient = open();
  let network: Awaited<ReturnType<typeof mongoNetwork>>;
  let store: Store;
  before(async () => {
    await notes(patient).put('owner', 'name', '1');
    network = await mongoNetwork(uri);
  });
  afterEach(async () => {
    network.comeBack();
    await store.close();
  });
  after(async () => {
    await patient.close();
    await network.stop();
    await drop();
  });

  test('a call whose connection is cut together with all others, also the one that watches the server, is answered', async () => {
    let watchedAt = 0;
    const watch = (client: MongoClient) =>
      client.on('serverHeartbeatSucceeded', () => {
        watchedAt = performance.now();
      });
    store = open({ uri: network.uri, timeoutMs: TIMEOUT_MS, watch });
    for (let round = 0; round < 3; round++) {
      const held = network.holdAt(1);
      const call = notes(store).get('owner', 'name');
      await held.reached;
      // Of a server it looked at just now, the driver plans its look for later, when it knows what was cut.
      await setTimeout(Math.max(0, watchedAt + LOOKS_AGAIN_AFTER_MS - performance.now()));
      network.cutAll();
      assert.equal(await call, '1');
    }
  });

  test('of tasks and turns written while connections are cut again and again all are there, once', async () => {
    store = open({ uri: network.uri, timeoutMs: TIMEOUT_MS });
    const owner = someOwner();
    const session = someSession(owner);
    await patient.sessions.create(session);
    const ROUNDS = 60;
    const tasks = Array.from({ length: ROUNDS }, (_, n) => someTask(owner, { createdAt: T0 + n }));
    const messages = Array.from({ length: ROUNDS }, (_, n) => someMessage(`m${n}`, { createdAt: T0 + n }));
    let next = 0;
    let interrupted = 0;
    const again = (call: () => Promise<unknown>) =>
      eventually(() =>
        call().catch((error: unknown) => {
          interrupted++;
          throw error;
        }),
      );
    async function writer() {
      while (next < ROUNDS) {
        const n = next++;
        // Cut while others are in the midst of theirs.
        if (n % 6 === 5) network.cutAll();
        const [task, message] = [tasks[n], messages[n]];
        if (!task || !message) return;
        await again(() => store.tasks.put([task]));
        const turn = { id: message.id, messages: [message], tokens: 2, now: T0 + n };
        await again(() => store.messages.append(owner, session.id, turn));
      }
    }
    await Promise.all(Array.from({ length: 6 }, writer));
    assert.ok(interrupted > 0, 'something was cut');
    const kept = await patient.sessions.read(owner, session.id);
    assert.deepEqual([kept?.messageCount, kept?.totalTokens], [ROUNDS, 2 * ROUNDS]);
    assert.deepEqual(await patient.messages.page(owner, session.id, { limit: 1_000, before: null }), messages);
    const listed = await patient.tasks.list(owner, { limit: 1_000, before: null });
    assert.equal(listed.length, ROUNDS);
    for (const { record } of tasks) assert.deepEqual(await patient.tasks.read(owner, record.id, 'whole'), record);
  });
});
