/** A MongoDB that answers, however late and however few of us: nobody may say at once that it is away. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { mongoNetwork } from '../../../../scripts/testing/mongo-network.ts';
import { TaskError } from '../../errors.ts';
import type { Store } from '../../store.ts';
import { notes } from '../contract/notes.ts';
import { eventually, testDatabase, withoutMongo } from './testing/test-database.ts';

const TIMEOUT_MS = 1_500;

describe('a MongoDB that is busy', { skip: withoutMongo }, () => {
  const { uri, store: openOn, drop } = testDatabase();
  const patient = openOn();
  let network: Awaited<ReturnType<typeof mongoNetwork>>;
  let store: Store;
  let letGo: (() => void)[] = [];
  before(async () => {
    await notes(patient).put('owner', 'name', '1');
  });
  afterEach(async () => {
    for (const each of letGo) each();
    letGo = [];
    await store.close();
    await network.stop();
  });
  after(async () => {
    await patient.close();
    await drop();
  });

  async function open(pool: number) {
    network = await mongoNetwork(uri);
    store = openOn({ uri: network.uri, timeoutMs: TIMEOUT_MS, pool });
    await eventually(() => read());
  }
  const read = () => notes(store).get('owner', 'name');
  function keepBack(name: string) {
    const release = network.keepBack(name);
    letGo.push(release);
    return release;
  }
  /** Whether a call failed, and how long it took. */
  async function outcome() {
    const begun = performance.now();
    const failed = await read().then(
      () => false,
      (error: unknown) => error instanceof TaskError && error.code === 'unavailable',
    );
    return { failed, tookMs: performance.now() - begun };
  }

  test('is not away when slow calls have the whole pool, and no ping a connection', async () => {
    await open(2);
    const release = keepBack('find');
    const until = performance.now() + 4 * TIMEOUT_MS;
    const callers = Array.from({ length: 20 }, async (_, index) => {
      // Not all at the same time: there is always one that waits for longer than a ping that comes.
      await setTimeout((index * TIMEOUT_MS) / 20);
      while (performance.now() < until) {
        const { failed, tookMs } = await outcome();
        assert.ok(failed);
        assert.ok(tookMs > TIMEOUT_MS / 2, `a call was given up after ${tookMs} ms`);
      }
    });
    await Promise.all(callers);
    release();
    assert.equal(await eventually(read), '1');
  });

  test('is not away for a ping without an answer while calls have theirs', async () => {
    await open(10);
    keepBack('ping');
    const release = keepBack('find');
    assert.ok((await outcome()).failed);
    release();
    const until = performance.now() + 4 * TIMEOUT_MS;
    let answers = 0;
    while (performance.now() < until) {
      const { failed, tookMs } = await outcome();
      // Slow it may be; given up at once it is only when it counts as away.
      if (failed) assert.ok(tookMs > TIMEOUT_MS / 2, `a call was given up after ${tookMs} ms`);
      else answers++;
    }
    assert.ok(answers > 0);
  });

  test('is away no more when a call that began before is answered', async () => {
    await open(100);
    keepBack('ping');
    const release = keepBack('find');
    assert.ok((await outcome()).failed);
    const calls: Promise<unknown>[] = [];
    for (let known = false; !known; ) {
      const call = read();
      calls.push(call);
      const failed = call.then(
        () => false,
        () => true,
      );
      known = await Promise.race([failed, setTimeout(50, false)]);
    }
    release();
    assert.equal(await Promise.any(calls), '1');
    const { failed, tookMs } = await outcome();
    if (failed) assert.ok(tookMs > TIMEOUT_MS / 2, `a call was given up after ${tookMs} ms`);
  });
});
