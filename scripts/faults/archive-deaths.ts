/** A system whose tasks leave Redis soon, and relays that die between two writes of that. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../testing/archived.ts';
import { followToEnd } from '../testing/client.ts';
import { ask } from '../testing/raw.ts';
import { storeOf } from '../testing/store.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkClean, type Faults, startFaults } from './checks.ts';
import { startDying } from './start-dying.ts';

/** Starts the file's system before its first test. It has no relay. */
export function archiveDeaths() {
  let system: Faults;
  before(async () => {
    system = await startFaults({ relays: 0, env: SHORT_RETENTION });
  });
  after(() => system.stop());

  /** Tasks that ended while there was no relay, each with all that is read of it. */
  async function endedTasks(count: number) {
    const tasks = await Promise.all(Array.from({ length: count }, () => system.start([slowWords(5, 0)])));
    return Promise.all(
      tasks.map(async ({ id }) => {
        await followToEnd(system.url, id);
        return { id, ...(await readings(id)) };
      }),
    );
  }
  async function readings(id: string) {
    const [task, events] = [await ask(`${system.url}/tasks/${id}`), await ask(`${system.url}/tasks/${id}/events`)];
    assert.deepEqual([task.status, events.status], [200, 200]);
    return { task: task.text, events: events.text };
  }

  /** The test of a relay that dies right after this write. */
  function diesAfter(write: string) {
    test(`${write} leaves nothing that the next one does not finish`, async () => {
      const tasks = await endedTasks(5);
      const listed = (await ask(`${system.url}/tasks?limit=200`)).json.tasks.length;
      const dying = await startDying(system, 'relay', write, 'SIGKILL', SHORT_RETENTION);
      await dying.died;
      for (const { id, task, events } of tasks) assert.deepEqual(await readings(id), { task, events });
      const relay = await system.startRelay();
      const ids = tasks.map(({ id }) => id);
      await leftRedis(system, ids);
      for (const { id, task, events } of tasks) assert.deepEqual(await readings(id), { task, events });
      assert.equal((await ask(`${system.url}/tasks?limit=200`)).json.tasks.length, listed, 'each once');
      const store = storeOf(system);
      const kept = await store.tasks.list('local', { limit: 1_000, before: null });
      await store.close();
      assert.equal(kept.length, new Set(kept.map(({ id }) => id)).size);
      await checkClean(system);
      await relay.signal('SIGKILL');
      // The next one shall not wait for this one's lease.
      await system.redis.cli('del', 'bl:{0}:lease');
    });
  }

  return { system: () => system, endedTasks, readings, diesAfter };
}
