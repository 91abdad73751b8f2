import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ids, taskLive } from '../../../scripts/testing/task-live.ts';
import { until } from '../../../scripts/testing/until.ts';

const setup = taskLive();

/** The last frame came with the first check that there was after it was lost, of so many looks. */
const cameAtOnce = ({ looked }: { looked: number[] }, lostAt: number, looks = 1) =>
  assert.ok((looked.at(-1) ?? assert.fail()) <= lostAt + looks, `${looked} looks, lost at ${lostAt}`);

test('an event that was said while the subscriber was cut off arrives after its reconnect', async (t) => {
  const { running, reader, writer, server, reads } = setup(t);
  const { ref, lastId } = await running();
  // Nothing but the reconnect brings it: the check of silent tasks finds none.
  reads.lastIds = async () => [lastId];
  const { frames } = reader(ref.id);
  await until(() => frames.length === 2);
  assert.equal(await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub'), '1');
  await writer(ref, lastId).next();
  await until(() => frames.length === 3);
});

test('an event whose live message was lost arrives when the silence is noticed', async (t) => {
  const { running, reader, writer, looks } = setup(t);
  const { ref, lastId } = await running();
  const waiting = reader(ref.id);
  await until(() => waiting.frames.length === 2);
  await writer(ref, lastId).unheard();
  const lostAt = looks();
  await until(() => waiting.frames.length === 3);
  cameAtOnce(waiting, lostAt);
});

test('an event whose live message was lost arrives, in order, with the next one that is heard', async (t) => {
  const { running, reader, writer } = setup(t);
  const { ref, lastId } = await running();
  const { frames } = reader(ref.id);
  await until(() => frames.length === 2);
  const out = writer(ref, lastId);
  await out.unheard();
  await out.next();
  await until(() => frames.length === 4);
  assert.deepEqual(ids(frames), ['0-1', '1-1', '1-2', '1-3']);
});

test('an event whose live message was lost after one that was heard arrives when the silence is noticed', async (t) => {
  const { running, reader, writer, looks } = setup(t);
  const { ref, lastId } = await running();
  const waiting = reader(ref.id);
  const { frames } = waiting;
  await until(() => frames.length === 2);
  const out = writer(ref, lastId);
  await out.next();
  await until(() => frames.length === 3);
  await out.unheard();
  const lostAt = looks();
  await until(() => frames.length === 4);
  cameAtOnce(waiting, lostAt);
  assert.deepEqual(ids(frames), ['0-1', '1-1', '1-2', '1-3']);
});

test('a reader learns of the end although the message of `done` was lost after one that was heard', async (t) => {
  const { running, reader, writer, subscriber, keys, subscribers, looks } = setup(t);
  const { ref, lastId } = await running();
  const waiting = reader(ref.id);
  const { frames, ended } = waiting;
  await until(() => frames.length === 2);
  const out = writer(ref, lastId);
  await out.next();
  await until(() => frames.length === 3);
  await subscriber.sunsubscribe(keys.live(0, ref.id));
  assert.equal(await subscribers(ref.id), 0);
  await out.finish();
  const lostAt = looks();
  await until(() => frames.length === 4);
  cameAtOnce(waiting, lostAt);
  await ended;
  assert.deepEqual(ids(frames), ['0-1', '1-1', '1-2', '1-3']);
});

test('a reader that came later does not hide a lost event from one that waits', async (t) => {
  const { running, reader, writer, looks } = setup(t);
  const { ref, lastId } = await running();
  const waiting = reader(ref.id);
  await until(() => waiting.frames.length === 2);
  await writer(ref, lastId).unheard();
  const lostAt = looks();
  const later = reader(ref.id);
  await until(() => later.frames.length === 3);
  await until(() => waiting.frames.length === 3);
  // The check, and the one of the later reader, which it wakes at the end of the log.
  cameAtOnce(waiting, lostAt, 2);
});

test('a reader does not wait on a log read that began before the last event', async (t) => {
  const { running, reader, writer, reads, subscriber } = setup(t);
  const { ref, lastId } = await running();
  const readLog = reads.readLog;
  const slow = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  reads.readLog = async (id, after) => {
    const frames = await readLog(id, after, 100);
    asked.resolve();
    // Only the first answer is late.
    reads.readLog = readLog;
    await slow.promise;
    return frames;
  };
  const first = reader(ref.id, lastId);
  await asked.promise;
  const heard = once(subscriber, 'smessage');
  await writer(ref, lastId).finish();
  await heard;
  const second = reader(ref.id, lastId);
  slow.resolve();
  await Promise.all([first.ended, second.ended]);
  assert.deepEqual([ids(first.frames), ids(second.frames)], [['1-2'], ['1-2']]);
});

test('a cancel hint reaches every runner, and a reconnect tells that hints may be missing', async (t) => {
  const { live, server } = setup(t);
  const heard: (string | null)[] = [];
  await live.onHint((id) => heard.push(id));
  await live.hint('task_1');
  await until(() => heard.includes('task_1'));
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(() => heard.at(-1) === null);
  await until(async () => {
    await live.hint('task_2');
    return heard.includes('task_2');
  });
});
