/** Who may go in a line, by its scripts alone. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Redis } from 'ioredis';
import { type SharedRedis, sharedRedis } from '../../../scripts/testing/shared-redis.ts';
import { createLines, type How, type Lines } from './lines.ts';

let server: SharedRedis;
let redis: Redis;
before(async () => {
  server = await sharedRedis();
  redis = new Redis(server.url);
  lines = createLines(redis, prefix, { MAX_LINE_TASKS: MAX });
});
after(async () => {
  redis.disconnect();
  await server.stop();
});

/** Of `MAX` tasks at most. */
const MAX = 4;
const prefix = `t${randomUUID()}`;
let lines: Lines;

/** A line of its own, in which tasks are named by letters. */
function setup() {
  const session = randomUUID();
  const places = new Map<string, string>();
  return {
    async enter(id: string, how: How = 'last') {
      const entered = await lines.enter(session, id, how);
      if (entered.verdict === 'entered') places.set(id, entered.accepted);
      return entered.verdict;
    },
    /** Those ahead of it; none: it has its turn. */
    async look(id: string, fence = `fence of ${id}`) {
      const ahead = await lines.look(session, id, { accepted: places.get(id) ?? '', fence });
      return ahead.map((one) => one.id);
    },
    leave: (id: string, fence = `fence of ${id}`) => lines.leave(session, { id, fence }),
    isGone: async () => (await redis.keys(`${prefix}:*${session}*`)).length === 0,
  };
}

test('the one that was accepted first goes first, whoever looks first', async () => {
  const { enter, look, leave, isGone } = setup();
  for (const id of ['a', 'b', 'c']) await enter(id);
  assert.deepEqual(await look('b'), ['a']);
  assert.deepEqual(await look('c'), ['a']);
  assert.deepEqual(await look('a'), []);
  assert.deepEqual(await look('b'), ['a']);
  assert.equal(await leave('a'), 'b');
  assert.deepEqual(await look('c'), ['b']);
  assert.deepEqual(await look('b'), []);
  assert.equal(await leave('b'), 'c');
  assert.deepEqual(await look('c'), []);
  assert.equal(await leave('c'), null);
  assert.ok(await isGone());
});

test('one that has its turn keeps it, whoever runs it, and gives it back under its last fence only', async () => {
  const { enter, look, leave } = setup();
  for (const id of ['a', 'b']) await enter(id);
  await look('a', 'dead');
  assert.deepEqual(await look('a', 'alive'), []);
  assert.equal(await leave('a', 'dead'), null);
  assert.deepEqual(await look('b'), ['a']);
  assert.equal(await leave('a', 'alive'), 'b');
});

test('one that comes back takes the place it had: before those that were accepted later, after the one whose turn it is', async () => {
  const { enter, look, leave } = setup();
  for (const id of ['a', 'b', 'c']) await enter(id);
  await look('a');
  assert.equal(await leave('a'), 'b');
  await look('b');
  assert.deepEqual(await look('a'), ['b']);
  assert.deepEqual(await look('c'), ['b', 'a']);
  assert.equal(await leave('b'), 'a');
  assert.deepEqual(await look('a'), []);
});

test('one that has had no place takes the last', async () => {
  const { enter, look } = setup();
  await enter('a');
  assert.deepEqual(await look('scheduled'), ['a']);
  await enter('b');
  await look('a');
  assert.deepEqual(await look('b'), ['a', 'scheduled']);
});

test('one that interrupts goes before all that wait, the newest of several first, and after the one whose turn it is', async () => {
  const { enter, look, leave } = setup();
  for (const id of ['a', 'b']) await enter(id);
  await look('a');
  await enter('old', 'first');
  await enter('new', 'first');
  assert.deepEqual(await look('new'), ['a']);
  assert.deepEqual(await look('old'), ['a', 'new']);
  assert.equal(await leave('a'), 'new');
  await look('new');
  assert.equal(await leave('new'), 'old');
});

test('one that is free waits for nobody, and those that were accepted later wait for it', async () => {
  const { enter, look, leave } = setup();
  await enter('before');
  await enter('free', 'free');
  await enter('later');
  assert.deepEqual(await look('before'), []);
  assert.deepEqual((await look('later')).sort(), ['before', 'free']);
  assert.equal(await leave('before'), 'later');
  assert.deepEqual(await look('later'), ['free']);
  assert.equal(await leave('free', ''), 'later');
  assert.deepEqual(await look('later'), []);
});

test('one that would be alone is refused while anybody is there', async () => {
  for (const how of ['last', 'free', 'first', 'alone'] as const) {
    const { enter, look, leave } = setup();
    await enter('a', how);
    assert.equal(await enter('b', 'alone'), 'busy', how);
    if (how !== 'free') await look('a');
    assert.equal(await enter('b', 'alone'), 'busy', how);
    await leave('a', how === 'free' ? '' : undefined);
    assert.equal(await enter('b', 'alone'), 'entered', how);
  }
});

test('a line that is full takes no more, however they come, but those that are free', async () => {
  const { enter, look } = setup();
  for (const id of ['a', 'b', 'c', 'd']) assert.equal(await enter(id), 'entered');
  assert.equal(await enter('e'), 'full');
  assert.equal(await enter('e', 'first'), 'full');
  assert.equal(await enter('e', 'free'), 'entered');
  await look('a');
  assert.equal(await enter('f'), 'entered');
});
