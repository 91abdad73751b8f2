import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ids, taskLive } from '../../../scripts/testing/task-live.ts';
import { until } from '../../../scripts/testing/until.ts';
import { START } from '../event.ts';
import { followTask } from '../tasks/follow-task.ts';

const setup = taskLive();
const random = (below: number) => Math.floor(Math.random() * below);

test('readers that reconnect anywhere, while a writer is fast, see every event once and in order', async (t) => {
  const { live, running, begin, tasks, retry, writer, events, signal, server } = setup(t);
  const { ref, lastId } = await running();

  async function restless(): Promise<string[]> {
    const seen: string[] = [];
    for (let cursor = START, last = ''; last !== 'done'; ) {
      let batches = random(12);
      for await (const batch of followTask({ live }, { id: ref.id }, cursor, signal)) {
        const cut = batches-- > 0 ? batch.length : 1 + random(batch.length);
        for (const frame of batch.slice(0, cut)) seen.push(frame.id);
        cursor = seen.at(-1) ?? START;
        last = batch[cut - 1]?.type ?? '';
        if (batches < 0) break;
      }
    }
    return seen;
  }
  const readers = Array.from({ length: 20 }, restless);

  const first = writer(ref, lastId);
  for (let i = 0; i < 300; i++) await first.next(random(20) === 0 ? 20_000 : random(2_000), 1 + random(4));
  await tasks.release(ref, retry(first.last()));
  const again = await begin(ref.id);
  const second = writer(again.ref, again.lastId);
  for (let i = 0; i < 300; i++) {
    await second.next(random(100), 1 + random(4));
    if (i % 100 === 50) await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }
  await second.finish();

  const log = ids(await events(ref.id));
  for (const seen of await Promise.all(readers)) assert.deepEqual(seen, log);
});

test('an event too large for a live message arrives whole', async (t) => {
  const { running, reader, writer } = setup(t);
  const { ref, lastId } = await running();
  const { frames } = reader(ref.id);
  await until(() => frames.length === 2);
  const out = writer(ref, lastId);
  await out.next(1_000_000);
  await out.next(5);
  await until(() => frames.length === 4);
  assert.ok(String(frames[2]?.bytes).includes(`{"content":"${'x'.repeat(1_000_000)}"}`));
  assert.deepEqual(ids(frames), ['0-1', '1-1', '1-2', '1-3']);
});

test('a reader that falls behind what is kept in memory goes on from the log', async (t) => {
  const { running, live, writer, reader, signal, events } = setup(t);
  const { ref, lastId } = await running();
  const channel = await live.follow(ref.id, new AbortController().signal);
  let cursor = (await channel.next(START, signal)).at(-1)?.id ?? '';
  const fast = reader(ref.id);
  const out = writer(ref, lastId);
  for (let i = 0; i < 100; i++) await out.next(10_000);
  await out.finish();
  await fast.ended;
  const seen = ['0-1', '1-1'];
  for (let last = ''; last !== 'done'; ) {
    const frames = await channel.next(cursor, signal);
    seen.push(...ids(frames));
    cursor = frames.at(-1)?.id ?? '';
    last = frames.at(-1)?.type ?? '';
  }
  assert.deepEqual(
    seen,
    (await events(ref.id)).map(({ id }) => id),
  );
});

test('two hundred readers of one task share their reads of its log', async (t) => {
  const { running, reader, writer, logReads, live } = setup(t);
  const { ref, lastId } = await running();
  const out = writer(ref, lastId);
  for (let i = 0; i < 100; i++) await out.next(10, 3);
  const before = await logReads();
  const readers = Array.from({ length: 200 }, () => reader(ref.id));
  await until(() => readers.every(({ frames }) => frames.length === 302));
  assert.equal(live.size(), 1);
  const history = (await logReads()) - before;
  // Three pages, and one look that finds nothing more.
  assert.ok(history <= 8, `${history} reads of a log of three pages`);
  for (let i = 0; i < 100; i++) await out.next();
  await out.finish();
  await Promise.all(readers.map(({ ended }) => ended));
  const following = (await logReads()) - before - history;
  assert.ok(following <= 20, `${following} reads while following`);
  for (const { frames } of readers) assert.equal(frames.length, 403);
});

test('a reader that has read a log to its end waits there without a second look', async (t) => {
  const { running, reader, writer, logReads } = setup(t);
  const { ref, lastId } = await running();
  const before = await logReads();
  const { frames } = reader(ref.id);
  await until(() => frames.length === 2);
  await writer(ref, lastId).next();
  await until(() => frames.length === 3);
  assert.equal((await logReads()) - before, 1);
});

test('the last event carries output, error and usage, which only the record holds', async (t) => {
  const { running, reader, tasks, ending } = setup(t);
  const { ref, lastId } = await running();
  const before = reader(ref.id);
  await until(() => before.frames.length === 2);
  const usage = { inputTokens: 1, outputTokens: 2, estimated: true };
  await tasks.finish(ref, { ...ending(lastId), output: '{"list":[]}', usage });
  const after = reader(ref.id);
  await Promise.all([before.ended, after.ended]);
  const expected = {
    status: 'completed',
    output: { list: [] },
    error: null,
    usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3, estimated: true },
  };
  for (const { frames } of [before, after])
    assert.deepEqual(JSON.parse(/data: (.*)/.exec(String(frames.at(-1)?.bytes))?.[1] ?? '').data, expected);
});

test('the last reader that closes ends the subscription, and a reader after it begins a new one', async (t) => {
  const { running, live, reader, writer, subscribers } = setup(t);
  const { ref, lastId } = await running();
  const one = await live.follow(ref.id, new AbortController().signal);
  const two = await live.follow(ref.id, new AbortController().signal);
  assert.equal(await subscribers(ref.id), 1);
  one.close();
  one.close();
  assert.equal(live.size(), 1);
  two.close();
  assert.equal(live.size(), 0);
  const again = reader(ref.id, lastId);
  const out = writer(ref, lastId);
  await until(async () => (await subscribers(ref.id)) === 1);
  await out.next();
  await out.finish();
  await again.ended;
  await until(async () => (await subscribers(ref.id)) === 0);
  assert.deepEqual(ids(again.frames), ['1-2', '1-3']);
});

test('a reader that goes away while it waits is let go', async (t) => {
  const { running, live, subscribers } = setup(t);
  const { ref, lastId } = await running();
  const gone = new AbortController();
  const channel = await live.follow(ref.id, new AbortController().signal);
  const waiting = channel.next(lastId, gone.signal);
  gone.abort();
  assert.deepEqual(await waiting, []);
  channel.close();
  await until(async () => (await subscribers(ref.id)) === 0);
});
