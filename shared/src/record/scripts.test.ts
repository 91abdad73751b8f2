import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';

const setup = taskRedis();

/** What a JSON decoder in Lua would change: integers beyond 2^53, empty lists, escapes, order, numbers' spelling. */
const OPAQUE =
  '{"big":12345678901234567890,"id":9007199254740993,"none":[],"empty":{},"one":1.0,"tiny":1e-400,"z":1,"a":"\\u0000\\"é여😀\\ud83d\\n"}';

test('input, event data and output are kept byte for byte', async (t) => {
  const { tasks, running, ending, record, events } = setup(t);
  const { ref, lastId } = await running({ input: OPAQUE });
  assert.equal(await tasks.readInput(ref.id), OPAQUE);
  await tasks.append(ref, lastId, [{ id: '1-2', type: 'sources', data: OPAQUE }]);
  await tasks.finish(ref, { ...ending('1-2'), output: OPAQUE });
  const [, , sources] = await events(ref.id);
  assert.equal(sources?.text, OPAQUE);
  assert.equal((await record(ref.id)).output, OPAQUE);
  const frames = String(Buffer.concat((await tasks.readLog(ref.id, '0-0', 100)).map(({ bytes }) => bytes)));
  assert.ok(frames.includes(`"data":${OPAQUE}}`));
  assert.ok(frames.includes(`"output":${OPAQUE},"error":null`));
});

test('a task lives through a Redis that forgets its scripts before every call', async (t) => {
  const { tasks, newTask, beginOptions, parking, reply, retry, ending, events, redis, record } = setup(t);
  const task = newTask();
  const [one, two, three] = ['f1', 'f2', 'f3'].map((fence, index) => ({ id: task.id, attempt: index + 1, fence }));
  assert.ok(one && two && three);
  const calls = [
    () => tasks.create(task),
    () => tasks.begin(task.id, beginOptions({ fence: 'f1' })),
    () => tasks.append(one, '1-1', [{ id: '1-2', type: 'text', data: '{"content":"a"}' }]),
    () => tasks.release(one, parking('1-2')),
    () => tasks.answer(task.id, reply()),
    () => tasks.begin(task.id, beginOptions({ fence: 'f2' })),
    () => tasks.release(two, retry('2-1')),
    () => tasks.begin(task.id, beginOptions({ fence: 'f3' })),
    () => tasks.cancel(task.id, 'anna', { nonce: 'n' }),
    () => tasks.finish(three, ending('3-1')),
  ];
  for (const call of calls) {
    await redis.script('FLUSH');
    await call();
  }
  assert.equal((await record(task.id)).status, 'completed');
  const log = (await events(task.id)).map(({ id, type }) => `${id} ${type}`);
  assert.deepEqual(log, [
    '0-1 queued',
    '1-1 started',
    '1-2 text',
    '1-3 human_approval',
    '1-4 resumed',
    '2-1 started',
    '2-2 retrying',
    '3-1 started',
    '3-2 done',
  ]);
});

test('usage is the sum over all attempts, zero is a value, and one estimate makes it an estimate', async (t) => {
  const { tasks, running, begin, retry, ending } = setup(t);
  const first = await running();
  assert.equal((await tasks.read('anna', first.ref.id))?.usage, null);
  const usage = { inputTokens: 10, outputTokens: 0, estimated: false };
  await tasks.release(first.ref, { ...retry(first.lastId), usage });
  assert.deepEqual((await tasks.read('anna', first.ref.id))?.usage, { ...usage, wastedTokens: 10 });
  const second = await begin(first.ref.id);
  await tasks.release(second.ref, retry(second.lastId));
  const third = await begin(first.ref.id);
  const more = { inputTokens: 2 ** 40, outputTokens: 5, cachedTokens: 2 ** 39, reasoningTokens: 0, estimated: true };
  await tasks.finish(third.ref, { ...ending(third.lastId), usage: more });
  const total = { ...more, inputTokens: 2 ** 40 + 10, wastedTokens: 10 };
  assert.deepEqual((await tasks.read('anna', first.ref.id))?.usage, total);
});

test('run_ms is the time in attempts: waiting, parked time and the time after a loss are left out', async (t) => {
  const { tasks, create, begin, parking, reply, ending, record, pass, redis, keys } = setup(t);
  const id = await create();
  await pass(20);
  const first = await begin(id);
  await pass(20);
  await tasks.release(first.ref, parking(first.lastId));
  assert.equal((await record(id)).attempt_started_at, undefined);
  await pass(20);
  await tasks.answer(id, reply());
  const lost = await begin(id);
  await pass(20);
  await tasks.append(lost.ref, lost.lastId, [{ id: '2-2', type: 'text', data: '{"content":"a"}' }]);
  await pass(20);
  const last = await begin(id);
  await pass(20);
  await tasks.finish(last.ref, ending(last.lastId));
  const rows = await redis.xrange(keys.log(0, id), '-', '+');
  const at = new Map(rows.map(([eventId, fields]) => [eventId, Number(fields[fields.indexOf('at') + 1])]));
  const between = (from: string, to: string) => (at.get(to) ?? Number.NaN) - (at.get(from) ?? Number.NaN);
  const runs = [between('1-1', '1-2'), between('2-1', '2-2'), between('3-1', '3-2')];
  for (const run of runs) assert.ok(run >= 20, `an attempt of ${run} ms`);
  assert.equal(
    Number((await record(id)).run_ms),
    runs.reduce((sum, run) => sum + run),
  );
});

test('an event above 16 kB is announced live by its id alone, a smaller one whole', async (t) => {
  const { tasks, running, redis, keys, events } = setup(t);
  const { ref, lastId } = await running();
  const subscriber = redis.duplicate();
  t.after(() => subscriber.disconnect());
  const heard: string[] = [];
  const second = Promise.withResolvers<void>();
  subscriber.on('smessage', (_channel, message: string) => {
    heard.push(message);
    if (heard.length === 2) second.resolve();
  });
  await subscriber.ssubscribe(keys.live(0, ref.id));
  const data = (length: number) => JSON.stringify({ content: 'x'.repeat(length - 14) });
  await tasks.append(ref, lastId, [
    { id: '1-2', type: 'text', data: data(16_384) },
    { id: '1-3', type: 'text', data: data(16_385) },
  ]);
  await second.promise;
  assert.match(heard[0] ?? '', /^1-2 1-1 text \d{13}\n\{"content":"x+"\}$/);
  assert.match(heard[1] ?? '', /^1-3 1-2 text \d{13}$/);
  assert.equal((await events(ref.id)).at(-1)?.text, data(16_385));
});
