import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog, taskRedis } from '../../../../scripts/testing/task-redis.ts';
import { until } from '../../../../scripts/testing/until.ts';
import { createSessionCache } from '../../sessions/cache.ts';
import { createSessionKeys } from '../../sessions/keys.ts';
import { parseRedisUrl } from '../address.ts';
import { createClock } from '../clock.ts';
import { connect } from '../connect.ts';
import { createVersionedCache } from './versioned-cache.ts';

const base = taskRedis({ maxmemory: '64mb' });
const TTL_MS = 60_000;

function setup(t: TestContext) {
  const at = base(t);
  /** A cache with connections of its own, as an API has them; a Redis that is only slow is not away for it. */
  async function process(timeoutMs = 3_000) {
    const open = () => {
      const redis = connect(parseRedisUrl(at.server.url), { name: 'test', for: 'api', log: silentLog });
      t.after(() => redis.disconnect());
      return redis;
    };
    const redis = open();
    const admit = async () => {};
    const clock = createClock(open(), { keys: at.keys, partitions: 1, log: silentLog, timeoutMs, admit });
    t.after(() => clock.stop());
    await clock.ready();
    await until(() => redis.status === 'ready');
    const cache = createVersionedCache(redis, { clock, log: silentLog });
    const times = { sessionMs: TTL_MS, listMs: TTL_MS, windowMs: TTL_MS, preferencesMs: TTL_MS };
    return { cache, clock, sessions: createSessionCache(cache, createSessionKeys(at.keys.prefix), times) };
  }
  return { ...at, key: `${at.keys.prefix}:thing`, process };
}

/** A load that ends when the test says. */
function heldLoad() {
  const begun = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<string>();
  const load = () => {
    begun.resolve();
    return promise;
  };
  return { load, begun: begun.promise, end: resolve };
}

test('what was loaded is there for every process, and goes after its time', async (t) => {
  const { key, process, redis } = setup(t);
  const [one, two] = [await process(), await process()];
  const load = async () => '"value"';
  assert.deepEqual(await one.cache.through(key, TTL_MS, load), { json: '"value"', hit: false });
  assert.deepEqual(await two.cache.through(key, TTL_MS, load), { json: '"value"', hit: true });
  const left = await redis.pttl(key);
  assert.ok(left > TTL_MS - 10_000 && left <= TTL_MS);
  assert.deepEqual(one.cache.tally(), { hits: 0, misses: 1 });
  assert.deepEqual(two.cache.tally(), { hits: 1, misses: 0 });
});

test('a reader that loaded before a write never puts the old value over it, however slow it is', async (t) => {
  const { key, process } = setup(t);
  const [reader, writer] = [await process(), await process()];
  const slow = heldLoad();
  const reading = reader.cache.through(key, TTL_MS, slow.load);
  await slow.begun;
  assert.equal(await writer.cache.change(key), true);
  slow.end('"old"');
  assert.deepEqual(await reading, { json: '"old"', hit: false });
  assert.deepEqual(await writer.cache.through(key, TTL_MS, async () => '"new"'), { json: '"new"', hit: false });
  assert.deepEqual(await reader.cache.through(key, TTL_MS, async () => '"newer"'), { json: '"new"', hit: true });
});

test('nor when the key was forgotten, made anew or filled meanwhile', async (t) => {
  const { key, process, redis } = setup(t);
  const { cache } = await process();
  const other = await process();
  for (const meanwhile of [
    () => redis.del(key),
    () => redis.flushall(),
    async () => {
      await other.cache.change(key);
      await other.cache.get(key);
    },
    async () => {
      await other.cache.change(key);
      await other.cache.through(key, TTL_MS, async () => '"new"');
    },
  ]) {
    const slow = heldLoad();
    const reading = cache.through(key, TTL_MS, slow.load);
    await slow.begun;
    await meanwhile();
    slow.end('"old"');
    await reading;
    assert.notEqual((await cache.get(key)).json, '"old"', String(meanwhile));
    await redis.del(key);
  }
});

test('many readers of one process load once; one that comes after a write loads again', async (t) => {
  const { key, process } = setup(t);
  const { cache } = await process();
  let loads = 0;
  const slow = heldLoad();
  const load = () => {
    loads++;
    return slow.load();
  };
  const first = cache.through(key, TTL_MS, load);
  await slow.begun;
  const more = Array.from({ length: 20 }, () => cache.through(key, TTL_MS, load));
  await until(() => cache.tally().misses === 21);
  await cache.change(key);
  const fresh = await cache.through(key, TTL_MS, async () => '"new"');
  assert.equal(fresh.json, '"new"');
  slow.end('"old"');
  for (const { json } of await Promise.all([first, ...more])) assert.equal(json, '"old"');
  assert.equal(loads, 1);
  assert.equal((await cache.get(key)).json, '"new"');
});

test('a load that fails is told to all who wait for it, and the next one loads again', async (t) => {
  const { key, process } = setup(t);
  const { cache } = await process();
  const failing = () => Promise.reject(new Error('away'));
  const both = [cache.through(key, TTL_MS, failing), cache.through(key, TTL_MS, failing)];
  for (const reading of both) await assert.rejects(reading, /away/);
  assert.equal((await cache.through(key, TTL_MS, async () => '"back"')).json, '"back"');
});

test('null, and what is larger than a megabyte, is not kept, and a time of 0 caches nothing', async (t) => {
  const { key, process, redis } = setup(t);
  const { cache } = await process();
  for (const json of [null, `"${'x'.repeat(1024 * 1024)}"`]) {
    await cache.through(key, TTL_MS, async () => json);
    assert.equal((await cache.get(key)).json, null);
  }
  await redis.del(key);
  await cache.through(key, 0, async () => '"value"');
  assert.equal(await redis.exists(key), 0);
});

test('a change in one process empties the lists of that owner for all, and of no other', async (t) => {
  const { process } = setup(t);
  const [one, two] = [await process(), await process()];
  const list = (by: typeof one, owner: string, text: string) => by.sessions.list(owner, 'asked', async () => text);
  assert.deepEqual(await list(one, 'anna', '"1"'), { json: '"1"', hit: false });
  assert.deepEqual(await list(one, 'ben', '"b"'), { json: '"b"', hit: false });
  assert.deepEqual(await list(two, 'anna', '"2"'), { json: '"1"', hit: true });
  await two.sessions.changed('anna', 'sess_1');
  assert.deepEqual(await list(one, 'anna', '"3"'), { json: '"3"', hit: false });
  assert.deepEqual(await list(one, 'ben', '"c"'), { json: '"b"', hit: true });
});

test('a list that was loaded before a change is not found after it', async (t) => {
  const { process } = setup(t);
  const [reader, writer] = [await process(), await process()];
  const slow = heldLoad();
  const reading = reader.sessions.list('anna', 'asked', slow.load);
  await slow.begun;
  await writer.sessions.changed('anna', 'sess_1');
  slow.end('"old"');
  await reading;
  assert.equal((await reader.sessions.list('anna', 'asked', async () => '"new"')).json, '"new"');
});

test('an owner is never given what is cached of another one’s session', async (t) => {
  const { process } = setup(t);
  const { sessions } = await process();
  await sessions.read('anna', 'sess_1', async () => '"hers"');
  assert.deepEqual(await sessions.read('ben', 'sess_1', async () => null), { json: null, hit: false });
  const together = [
    sessions.read('ben', 'sess_2', async () => null),
    sessions.read('anna', 'sess_2', async () => '"hers"'),
  ];
  assert.deepEqual(
    (await Promise.all(together)).map(({ json }) => json),
    [null, '"hers"'],
  );
});

test('with Redis frozen or away everything is a miss at once, and what was changed meanwhile is not found when it is back', async (t) => {
  const { key, process, server } = setup(t);
  const [one, two] = [await process(300), await process(300)];
  await one.cache.through(key, TTL_MS, async () => '"old"');
  server.pause();
  t.after(() => server.resume());
  await until(() => !one.clock.available() && !two.clock.available());
  const startedAt = performance.now();
  assert.deepEqual(await one.cache.through(key, TTL_MS, async () => '"new"'), { json: '"new"', hit: false });
  assert.equal(await one.cache.change(key), false);
  assert.ok(performance.now() - startedAt < 1_000);
  server.resume();
  await until(() => one.clock.available() && two.clock.available());
  // The process that changed it knows; another one learns it as soon as Redis is told.
  assert.equal((await one.cache.through(key, TTL_MS, async () => '"new"')).json, '"new"');
  await until(async () => (await two.cache.through(key, TTL_MS, async () => '"new"')).json === '"new"');
});

test('a full Redis keeps nothing new, and still drops what has changed', async (t) => {
  const { key, process, redis, server } = setup(t);
  const { cache, clock } = await process();
  await cache.through(key, TTL_MS, async () => '"old"');
  t.after(() => server.cli('FLUSHALL'));
  for (const size of [1 << 20, 1 << 16, 1 << 10, 1 << 4]) {
    for (let full = false; !full; ) {
      full = await redis.rpush('filler', 'x'.repeat(size)).then(
        () => false,
        () => true,
      );
    }
  }
  await until(() => clock.full() && clock.crowded());
  assert.deepEqual(await cache.through(key, TTL_MS, async () => '"new"'), { json: '"old"', hit: true });
  assert.equal(await cache.change(key), true);
  assert.deepEqual(await cache.through(key, TTL_MS, async () => '"new"'), { json: '"new"', hit: false });
  assert.deepEqual(await cache.through(`${key}:other`, TTL_MS, async () => '"x"'), { json: '"x"', hit: false });
  assert.equal(await redis.exists(`${key}:other`), 0);
});
