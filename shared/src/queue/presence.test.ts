/** Runners that say they are there, and what they can do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import { ANNOUNCE_MS, createPresence } from './presence.ts';

const setup = taskRedis();
const NOW = 1_000_000;
const LATER = NOW + 4 * ANNOUNCE_MS;
const words = async (offers: Promise<ReadonlySet<string>[]>) => (await offers).map((all) => [...all].sort()).sort();

test('runners are counted by what they take, and each says apart from the others what it offers', async (t) => {
  const { redis, keys } = setup(t);
  const presence = createPresence(redis, keys);
  await presence.announce({ worker: 'a:1', types: ['chat', 'mail'], offers: ['tool:x', 'key:Y'] }, NOW);
  await presence.announce({ worker: 'b:2', types: ['chat'], offers: ['tool:x'] }, NOW);
  await presence.announce({ worker: 'c:3', types: ['mail'], offers: [] }, NOW);
  assert.deepEqual(Object.fromEntries(await presence.counts(NOW)), { chat: 2, mail: 2 });
  assert.deepEqual(await words(presence.offers(NOW)), [['key:Y', 'tool:x'], ['tool:x']]);
});

test('one that falls silent, or says that it goes, is counted no more and offers nothing', async (t) => {
  const { redis, keys } = setup(t);
  const presence = createPresence(redis, keys);
  const [leaves, dies] = ['a:1', 'b:2'].map((worker) => ({ worker, types: ['chat'], offers: [`tool:${worker}`] }));
  assert.ok(leaves && dies);
  for (const runner of [leaves, dies]) await presence.announce(runner, NOW);
  await presence.retire(leaves);
  assert.deepEqual(await words(presence.offers(NOW)), [['tool:b:2']]);
  assert.deepEqual([(await presence.counts(LATER)).size, await presence.offers(LATER)], [0, []]);
  await presence.announce(dies, LATER);
  assert.deepEqual(await words(presence.offers(LATER)), [['tool:b:2']]);
});

test('one that takes nothing writes nothing', async (t) => {
  const { redis, keys } = setup(t);
  const presence = createPresence(redis, keys);
  const idle = { worker: 'a:1', types: [], offers: [] };
  await presence.announce(idle, NOW);
  await presence.retire(idle);
  assert.equal(await redis.exists(keys.runners, keys.offers), 0);
});
