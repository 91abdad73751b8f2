/** MongoDB away, silent, slow and back: what a caller sees of it, and when. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../../../scripts/start/free-port.ts';
import { mongoNetwork } from '../../../../scripts/testing/mongo-network.ts';
import { TaskError } from '../../errors.ts';
import { errorFields, type Log } from '../../log.ts';
import type { Store } from '../../store.ts';
import { notes } from '../contract/notes.ts';
import { someTask } from '../contract/samples.ts';
import { mongoStore } from './store.ts';
import { eventually, testDatabase, withoutMongo } from './testing/test-database.ts';

const TIMEOUT_MS = 500;
/** What a busy machine may add to it. */
const SLACK_MS = 2_000;

/** Fails with `unavailable`, in time. */
async function assertAway(call: () => Promise<unknown>, timeoutMs = TIMEOUT_MS): Promise<TaskError> {
  const outcome = call().then(
    () => assert.fail('it answered'),
    (thrown: unknown) => thrown,
  );
  // By a timer of this process: one that is kept from running says nothing about the store.
  const error = await Promise.race([outcome, setTimeout(timeoutMs + SLACK_MS, 'too late', { ref: false })]);
  assert.ok(error instanceof TaskError, String(error));
  assert.deepEqual([error.code, error.retryAfterMs], ['unavailable', 1_000]);
  return error;
}

describe('where no MongoDB answers', () => {
  const lines: unknown[] = [];
  const note = (...line: unknown[]) => void lines.push(line);
  const log = { debug: note, info: note, warn: note, error: note } as unknown as Log;
  const open = (uri: string) => mongoStore({ uri, database: 'beanline_test', pool: 5, timeoutMs: TIMEOUT_MS, log });

  test('opening neither waits nor fails, every call says so in time, and so does closing', async () => {
    const store = open(`mongodb://127.0.0.1:${await freePort()}`);
    const calls = [
      () => store.ping(),
      () => store.tasks.put([someTask('owner')]),
      () => store.sessions.list('owner', {}, { sort: 'updated_at', limit: 1, skip: 0 }),
      () => store.messages.matching('owner', 'bean', 1),
      () => notes(store).get('owner', 'name'),
    ];
    await Promise.all(calls.map((call) => assertAway(call)));
    await store.close();
    await assertAway(() => store.ping());
  });

  test('a server that takes connections and says nothing is away too', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const store = open(`mongodb://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    await assertAway(() => store.ping());
    await store.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test('the password of the URI shows in no error, cause or log line', async () => {
    const port = await freePort();
    const PASSWORD = 'hunter2-of-beans';
    const uris = [
      `mongodb://bean:${PASSWORD}@127.0.0.1:${port}/?authSource=admin`,
      `mongodb://bean:${PASSWORD}@127.0.0.1:${port}/?maxPoolSize=${PASSWORD}`,
      `mongodb://bean:${PASSWORD}@127.0.0.1:${port}/?${PASSWORD}=1`,
      `mongodb://bean:${PASSWORD}@`,
      `mongodb://bean:${PASSWORD}@@127.0.0.1:${port}`,
      `mongodb://bean:%${PASSWORD}@127.0.0.1:${port}`,
      `mongodb+srv://bean:${PASSWORD}@127.0.0.1:${port}`,
      `mongodb+srv://bean:${PASSWORD}@no.such.host.invalid/`,
    ];
    for (const uri of uris) {
      const store = open(uri);
      const error = await assertAway(() => store.ping());
      const said = JSON.stringify([errorFields(error), error.view, lines, error.message]);
      assert.ok(!said.includes(PASSWORD), uri);
      await store.close();
    }
  });

  test('the driver is loaded by the first use of a store, not by the program', async () => {
    const program = `
      import { createRequire } from 'node:module';
      const { mongoStore } = await import('./shared/src/store/mongo/store.ts');
      const loaded = () => Object.keys(createRequire(process.cwd() + '/x.js').cache).some((file) => /node_modules.mongodb./.test(file));
      const store = mongoStore({ uri: 'mongodb://127.0.0.1:1', database: 'x', pool: 1, timeoutMs: 100, log: console });
      const before = loaded();
      await store.ping().catch(() => undefined);
      await store.close();
      console.log(before, loaded());`;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
    assert.equal((await run).stdout, 'false true\n');
  });
});

describe('a MongoDB that goes away', { skip: withoutMongo }, () => {
  const { uri, store: openOn, drop } = testDatabase();
  const patient = openOn();
  let network: Awaited<ReturnType<typeof mongoNetwork>>;
  let store: Store;
  before(async () => {
    await notes(patient).put('owner', 'name', '1');
    network = await mongoNetwork(uri);
  });
  afterEach(async () => {
    network.slowDown(0);
    network.comeBack();
    await store.close();
  });
  after(async () => {
    await patient.close();
    await network.stop();
    await drop();
  });
  const open = (timeoutMs: number) => openOn({ uri: network.uri, timeoutMs });

  test('calls say so in time, and succeed by themselves when it is back', async () => {
    store = open(TIMEOUT_MS);
    for (const leave of [network.goAway, network.fallSilent]) {
      await eventually(() => notes(store).get('owner', 'name'));
      leave();
      for (let i = 0; i < 3; i++) await assertAway(() => notes(store).get('owner', 'name'));
      await Promise.all(Array.from({ length: 20 }, () => assertAway(() => store.ping())));
      network.comeBack();
      assert.equal(await eventually(() => notes(store).get('owner', 'name')), '1');
      await eventually(() => store.ping());
    }
  });

  test('when one call has found out, the others say so at once, until it is back', async () => {
    store = open(TIMEOUT_MS);
    const read = () => notes(store).get('owner', 'name');
    for (const leave of [network.goAway, network.fallSilent]) {
      await eventually(read);
      leave();
      const tookMs = async () => {
        const begun = performance.now();
        await assertAway(read);
        return performance.now() - begun;
      };
      assert.ok((await tookMs()) > TIMEOUT_MS / 2);
      for (let slow = 1; (await tookMs()) > TIMEOUT_MS / 2; slow++) assert.ok(slow < 8, 'nobody finds out');
      const begun = performance.now();
      for (let i = 0; i < 20; i++) await assertAway(read);
      assert.ok(performance.now() - begun < 10 * TIMEOUT_MS, 'twenty calls waited for it');
      network.comeBack();
      assert.equal(await eventually(read), '1');
    }
  });

  test('one that was away when it was first used is used when it comes', async () => {
    network.goAway();
    store = open(TIMEOUT_MS);
    await assertAway(() => store.ping());
    await assertAway(() => notes(store).get('owner', 'name'));
    network.comeBack();
    assert.equal(await eventually(() => notes(store).get('owner', 'name')), '1');
  });

  test('indexes that could not be made are made later, and nothing waits for them', async (t) => {
    const fresh = testDatabase();
    t.after(fresh.drop);
    const told: unknown[] = [];
    const log = { warn: (...line: unknown[]) => told.push(line) } as unknown as Log;
    store = fresh.store({ uri: network.uri, timeoutMs: TIMEOUT_MS, log });
    await eventually(() => store.ping());
    network.goAway();
    await assertAway(() => notes(store).get('owner', 'name'));
    network.comeBack();
    await eventually(() => notes(store).put('owner', 'name', '1'));
    const until = performance.now() + 60_000;
    const made = () => fresh.stored.messages.indexes().catch(() => []);
    while ((await made()).length < 4 && performance.now() < until) {
      await eventually(() => notes(store).get('owner', 'name'));
    }
    assert.equal((await made()).length, 4);
    assert.ok(told.length > 0);
  });

  test('one that takes two seconds for an answer is slow within the timeout and away behind it', async (t) => {
    store = open(20_000);
    await store.ping();
    await notes(store).get('owner', 'name');
    const hasty = open(1_000);
    t.after(() => hasty.close());
    await eventually(() => notes(hasty).get('owner', 'name'));
    // A timer may be a millisecond early.
    network.slowDown(1_005);
    const begun = performance.now();
    const [slow] = await Promise.all([
      notes(store).get('owner', 'name'),
      assertAway(() => notes(hasty).get('owner', 'name'), 1_000),
    ]);
    assert.equal(slow, '1');
    assert.ok(performance.now() - begun >= 2_000);
    network.slowDown(0);
    await eventually(() => notes(hasty).get('owner', 'name'));
  });
});
