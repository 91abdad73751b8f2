/** A relay dies, or freezes, right after it has written to the store. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../testing/archived.ts';
import { ask } from '../testing/raw.ts';
import { archiveDeaths } from './archive-deaths.ts';
import { checkClean } from './checks.ts';
import { startDying } from './start-dying.ts';

const deaths = archiveDeaths();
const { endedTasks, readings, diesAfter } = deaths;

describe('a relay that dies right after', () => diesAfter('store.tasks.put'));

test('a relay that freezes after the store took its batch, and wakes when another one has done everything, changes nothing', async () => {
  const system = deaths.system();
  const tasks = await endedTasks(5);
  const listed = (await ask(`${system.url}/tasks?limit=200`)).text;
  const frozen = await startDying(system, 'relay', 'store.tasks.put', 'SIGSTOP', SHORT_RETENTION);
  const relay = await system.startRelay();
  const ids = tasks.map(({ id }) => id);
  await leftRedis(system, ids);
  frozen.child.kill('SIGCONT');
  const later = await endedTasks(1);
  assert.equal(frozen.child.exitCode, null);
  await leftRedis(system, [...ids, ...later.map(({ id }) => id)]);
  for (const { id, task, events } of [...tasks, ...later]) assert.deepEqual(await readings(id), { task, events });
  const all = (await ask(`${system.url}/tasks?limit=200`)).json.tasks;
  assert.deepEqual(all.slice(later.length), JSON.parse(listed).tasks);
  await checkClean(system);
  await relay.signal('SIGTERM');
  frozen.child.kill('SIGKILL');
  await frozen.died;
});
