import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { taskRedis } from '../../../../scripts/testing/task-redis.ts';
import { until } from '../../../../scripts/testing/until.ts';
import { AttemptStop } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { NewEntry } from '../../record/task-verdicts.ts';
import { createAttemptLog } from './log.ts';

const base = taskRedis();
const KB = 1_024;

async function setup(t: TestContext, maxOutputBytes = 1e9) {
  const at = base(t);
  const { ref, lastId } = await at.running();
  const flushes: NewEntry[][] = [];
  const stops: Error[] = [];
  const flights = { now: 0, most: 0 };
  const log = createAttemptLog({
    async append(...args) {
      flushes.push(args[2]);
      flights.most = Math.max(flights.most, ++flights.now);
      try {
        return await at.tasks.append(...args);
      } finally {
        flights.now--;
      }
    },
    ref,
    unread: { steers: 0 },
    lastId,
    maxOutputBytes,
    stop: (reason) => stops.push(reason),
  });

  return {
    ...at,
    ref,
    log,
    emit: log.emit,
    flushes,
    flights,
    stops,
    /** The log after `started`, as `id type data`. */
    written: async () => (await at.events(ref.id)).slice(2).map(({ id, type, text }) => `${id} ${type} ${text}`),
    /** Refuses all writes, as a Redis that has become a replica does, until `accept`. */
    refuse: () => at.server.cli('REPLICAOF', '127.0.0.1', '1'),
    accept: () => at.server.cli('REPLICAOF', 'NO', 'ONE'),
  };
}

/** Whether a promise is settled once all that is ready has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test('the first piece is written at once; what comes while it is under way joins one flush, adjacent text one event', async (t) => {
  const { server, emit, flushes, flights, written } = await setup(t);
  server.pause();
  await emit.text('a');
  await emit.text('b');
  await emit.text('c');
  await emit('progress', { progress: 0.5 });
  await emit.text('d');
  await emit.text('');
  await emit.text('여');
  assert.equal(flushes.length, 1);
  server.resume();
  await until(async () => (await written()).length === 4);
  assert.deepEqual(await written(), [
    '1-2 text {"content":"a"}',
    '1-3 text {"content":"bc"}',
    '1-4 progress {"progress":0.5}',
    '1-5 text {"content":"d여"}',
  ]);
  assert.deepEqual([flushes.length, flights.most], [2, 1]);
});

test('texts of different tools or places are not joined', async (t) => {
  const { server, emit, written } = await setup(t);
  server.pause();
  await emit.text('first');
  await emit.text('a', { tool: 'search', index: 0 });
  await emit.text('b', { tool: 'search', index: 0 });
  await emit.text('c', { tool: 'search', index: 1 });
  await emit.text('d');
  server.resume();
  await until(async () => (await written()).length === 4);
  assert.deepEqual((await written()).slice(1), [
    '1-3 text {"content":"ab","tool":"search","index":0}',
    '1-4 text {"content":"c","tool":"search","index":1}',
    '1-5 text {"content":"d"}',
  ]);
});

test('an event says what was so when it was emitted, whatever the handler changes after', async (t) => {
  const { server, emit, written } = await setup(t);
  server.pause();
  const state = { step: 'one' };
  await emit('progress', state);
  state.step = 'two';
  await emit('progress', state);
  state.step = 'three';
  server.resume();
  await until(async () => (await written()).length === 2);
  assert.deepEqual(await written(), ['1-2 progress {"step":"one"}', '1-3 progress {"step":"two"}']);
});

test('emit waits above 64 kB of pending events, until Redis has taken them', async (t) => {
  const { server, emit, written } = await setup(t);
  server.pause();
  const half = 'x'.repeat(32 * KB);
  assert.equal(await settled(emit.text('in flight')), true);
  assert.equal(await settled(emit.text(half)), true);
  assert.equal(await settled(emit.text(half)), true);
  const full = emit.text('y');
  const event = emit('progress', { progress: 1 });
  assert.deepEqual([await settled(full), await settled(event)], [false, false]);
  server.resume();
  await Promise.all([full, event]);
  assert.equal((await written())[1], `1-3 text {"content":"${half}${half}y"}`);
  assert.equal(await settled(emit.text('after')), true);
});

test('a fast handler and a slow Redis make few events of much text, never more than one flush at once', async (t) => {
  const { emit, log, flights, events, ref, tasks, ending } = await setup(t);
  const pieces = Array.from({ length: 20_000 }, (_, index) => `${index} `);
  for (const piece of pieces) await emit.text(piece);
  await tasks.finish(ref, { ...ending(''), ...(await log.close()) });
  const written = (await events(ref.id)).filter(({ type }) => type === 'text');
  assert.equal(written.map(({ data }) => data.content).join(''), pieces.join(''));
  assert.equal(log.text(), pieces.join(''));
  assert.equal(flights.most, 1);
  assert.ok(written.length < 2_000, `${written.length} events`);
});

test('connections that break while it emits lose nothing and repeat nothing', async (t) => {
  const { emit, log, server, events, ref, tasks, ending } = await setup(t);
  const pieces = Array.from({ length: 2_000 }, (_, index) => `${index} `);
  for (const [index, piece] of pieces.entries()) {
    await emit.text(piece);
    if (index % 200 === 100) await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  }
  assert.equal(await tasks.finish(ref, { ...ending(''), ...(await log.close()) }), 'finished');
  const written = (await events(ref.id)).filter(({ type }) => type === 'text');
  assert.equal(written.map(({ data }) => data.content).join(''), pieces.join(''));
});

test('an attempt that was superseded is stopped, and what it says then is not written', async (t) => {
  const { emit, log, begin, ref, stops, flushes, unchanged } = await setup(t);
  await begin(ref.id);
  await unchanged(async () => {
    await emit.text('late');
    await until(() => stops.length === 1);
    await emit.text('later');
    await log.close();
  });
  assert.ok(stops[0] instanceof AttemptStop && stops[0].kind === 'superseded');
  assert.equal(flushes.length, 1);
});

test('an attempt whose text Redis lost is stopped as a lost worker', async (t) => {
  const { emit, ref, stops, redis, keys, written } = await setup(t);
  await emit.text('a');
  await until(async () => (await written()).length === 1);
  await redis.xdel(keys.log(0, ref.id), '1-2');
  await redis.hset(keys.task(0, ref.id), 'last_id', '1-1');
  await emit.text('b');
  await until(() => stops.length === 1);
  assert.ok(stops[0] instanceof TaskError && stops[0].code === 'worker_lost');
  assert.deepEqual(await written(), []);
});

test('a cancel stops the attempt with its next flush, and what it said is written', async (t) => {
  const { emit, ref, tasks, stops, written } = await setup(t);
  await tasks.cancel(ref.id, 'anna', { nonce: 'n' });
  await emit.text('half');
  await until(() => stops.length > 0);
  assert.ok(stops[0] instanceof AttemptStop && stops[0].kind === 'cancelled');
  assert.deepEqual(await written(), ['1-2 text {"content":"half"}']);
});

test('output beyond its limit in bytes is refused, and all before it is kept', async (t) => {
  const { emit, log, written } = await setup(t, 30);
  const tooLarge = (error: unknown) => error instanceof TaskError && error.code === 'output_too_large';
  await emit.text('여여여'); // nine bytes
  await emit('progress', { step: 'abcdefgh' }); // nineteen
  await emit.text('ab');
  await assert.rejects(emit.text('c'), tooLarge);
  await assert.rejects(emit('progress', {}), tooLarge);
  assert.equal(log.text(), '여여여ab');
  await until(async () => (await written()).length === 3);
});

test('a flush that Redis refuses is sent again as it was, and what came meanwhile follows it', async (t) => {
  const { emit, flushes, written, refuse, accept } = await setup(t);
  await refuse();
  await emit.text('a');
  await until(() => flushes.length === 2);
  await emit.text('b');
  await accept();
  await until(async () => (await written()).length === 2);
  assert.deepEqual(await written(), ['1-2 text {"content":"a"}', '1-3 text {"content":"b"}']);
  const [first, again] = flushes;
  assert.deepEqual(again, first);
});

test('close waits for the flush in flight and gives the rest to the script that ends the attempt', async (t) => {
  const { server, emit, log, ref, tasks, ending, written } = await setup(t);
  server.pause();
  await emit.text('a');
  await emit.text('b');
  const closing = log.close();
  assert.equal(await settled(closing), false);
  await emit.text('after the end');
  server.resume();
  const rest = await closing;
  assert.deepEqual(rest, { after: '1-2', entries: [{ id: '1-3', type: 'text', data: '{"content":"b"}' }] });
  assert.equal(await tasks.finish(ref, { ...ending(''), ...rest }), 'finished');
  const log3 = ['1-2 text {"content":"a"}', '1-3 text {"content":"b"}', '1-4 done {"status":"completed"}'];
  assert.deepEqual(await written(), log3);
});

test('close gives what Redis refused, with its ids', async (t) => {
  const { emit, log, flushes, ref, tasks, ending, written, refuse, accept } = await setup(t);
  await refuse();
  await emit.text('a');
  await until(() => flushes.length === 2);
  await emit.text('b');
  const rest = await log.close();
  assert.deepEqual([rest.after, ...rest.entries.map(({ id }) => id)], ['1-1', '1-2', '1-3']);
  await accept();
  assert.equal(await tasks.finish(ref, { ...ending(''), ...rest }), 'finished');
  assert.equal((await written()).length, 3);
});
