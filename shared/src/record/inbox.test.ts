/** The inbox of a task, by the scripts `message` and `inbox`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import type { NewMessage } from './task-verdicts.ts';

const setup = taskRedis();

let sent = 0;
const message = (over: Partial<NewMessage> = {}): NewMessage => {
  const id = `msg_${++sent}`;
  return {
    ...{ nonce: id, id, fingerprint: 'f', mode: 'steer', content: `"text ${sent}"` },
    ...{ notAfter: Date.now() + 60_000, ...over },
  };
};
const accepted = ({ id }: NewMessage) => ({ verdict: 'accepted' as const, id });

test('a message is accepted once, however often it is sent, and taken once, in the order in which they came', async (t) => {
  const { running, tasks, twice, begin, retry } = setup(t);
  const { ref, lastId } = await running();
  const all = [message(), message(), message()];
  for (const one of all) assert.deepEqual(await twice(() => tasks.message(ref.id, one)), accepted(one));
  const taken = await twice(() => tasks.takeMessages(ref, 'turn:1', 'steer'));
  assert.ok(taken.verdict === 'taken');
  assert.deepEqual(
    taken.messages.map(({ id }) => id),
    all.map(({ id }) => id),
  );
  assert.deepEqual(await tasks.takeMessages(ref, 'turn:2', 'all'), { verdict: 'taken', messages: [] });
  for (const one of all) assert.deepEqual(await tasks.message(ref.id, one), accepted(one));
  await tasks.release(ref, retry(lastId));
  await begin(ref.id);
  assert.deepEqual(await tasks.takenMessages(ref.id), new Map([['turn:1', { attempt: 1, messages: taken.messages }]]));
});

test('what has messages takes no others, and what comes later waits for the next place', async (t) => {
  const { running, tasks } = setup(t);
  const { ref } = await running();
  const [first, second] = [message(), message()];
  await tasks.message(ref.id, first);
  await tasks.takeMessages(ref, 'a', 'all');
  await tasks.message(ref.id, second);
  const idsAt = async (place: string) => {
    const taken = await tasks.takeMessages(ref, place, 'all');
    assert.ok(taken.verdict === 'taken');
    return taken.messages.map(({ id }) => id);
  };
  assert.deepEqual([await idsAt('a'), await idsAt('b')], [[first.id], [second.id]]);
});

test('a follow-up waits until all are taken, and only steering is told to the attempt', async (t) => {
  const { running, tasks, record } = setup(t);
  const { ref, lastId } = await running();
  const steersNow = async (seq: number) => {
    const reply = await tasks.append(ref, seq === 2 ? lastId : `1-${seq - 1}`, [
      { id: `1-${seq}`, type: 'text', data: '{"content":"a"}' },
    ]);
    assert.ok(reply.verdict === 'appended');
    return reply.steers;
  };
  await tasks.message(ref.id, message({ mode: 'follow_up' }));
  assert.equal(await steersNow(2), 0);
  assert.deepEqual(await tasks.takeMessages(ref, 'a', 'steer'), { verdict: 'taken', messages: [] });
  await tasks.message(ref.id, message());
  assert.equal(await steersNow(3), 1);
  assert.deepEqual(await tasks.finishStep(ref, { key: 's', effect: 'none', result: '1', usage: undefined }), {
    verdict: 'done',
    steers: 1,
  });
  await tasks.takeMessages(ref, 'b', 'steer');
  assert.equal(await steersNow(4), 0);
  assert.equal((await record(ref.id)).unread, '1');
  assert.equal(await tasks.closeInbox(ref), 'open');
  const taken = await tasks.takeMessages(ref, 'c', 'all');
  assert.equal(taken.verdict === 'taken' && taken.messages.length, 1);
  assert.equal((await record(ref.id)).unread, '0');
});

test('an inbox is closed only while nothing is unread, and then no message comes', async (t) => {
  const { running, tasks, twice, unchanged, begin, retry } = setup(t);
  const { ref, lastId } = await running();
  const one = message();
  await tasks.message(ref.id, one);
  assert.equal(await unchanged(() => tasks.closeInbox(ref)), 'open');
  await tasks.takeMessages(ref, 'a', 'all');
  assert.equal(await twice(() => tasks.closeInbox(ref)), 'closed');
  assert.equal((await unchanged(() => tasks.message(ref.id, message()))).verdict, 'closed');
  assert.deepEqual(await unchanged(() => tasks.message(ref.id, one)), accepted(one));
  await tasks.release(ref, retry(lastId));
  const next = await begin(ref.id);
  assert.equal(await unchanged(() => tasks.closeInbox(next.ref)), 'closed');
});

test('a task takes messages in every open state, and none after its end, under a cancel, or too late', async (t) => {
  const { create, running, parking, tasks, unchanged, ending } = setup(t);
  const send = (id: string, over: Partial<NewMessage> = {}) => tasks.message(id, message(over));
  const waiting = await create();
  assert.equal((await send(waiting)).verdict, 'accepted');
  const parked = await running();
  await tasks.release(parked.ref, parking(parked.lastId));
  assert.equal((await send(parked.ref.id)).verdict, 'accepted');
  assert.deepEqual(await unchanged(() => send(waiting, { notAfter: Date.now() - 60_000 })), { verdict: 'late' });
  assert.deepEqual(await send('task_1m80dvxcg00zzzzzzzzzzzzzz'), { verdict: 'unknown' });
  const ended = await running();
  await tasks.finish(ended.ref, ending(ended.lastId));
  assert.deepEqual(await unchanged(() => send(ended.ref.id)), { verdict: 'closed', why: 'has ended' });
  const cancelled = await running();
  await tasks.cancel(cancelled.ref.id, 'anna', { nonce: randomUUID() });
  assert.equal((await unchanged(() => send(cancelled.ref.id))).verdict, 'closed');
  assert.deepEqual(await tasks.takeMessages(cancelled.ref, 'a', 'all'), { verdict: 'cancelled' });
  assert.equal(await tasks.closeInbox(cancelled.ref), 'cancelled');
});

test('a superseded attempt neither takes a message nor closes the inbox', async (t) => {
  const { running, retry, begin, tasks, unchanged } = setup(t);
  const { ref, lastId } = await running();
  await tasks.message(ref.id, message());
  await tasks.release(ref, retry(lastId));
  const next = await tasks.begin(ref.id, {
    ...(await begin(ref.id)).ref,
    ...{ worker: 'w', typeVersion: 1 },
    ...{ mayRestart: true, lost: { code: 'worker_lost', message: 'lost' } },
  });
  assert.ok(next.verdict === 'start');
  assert.deepEqual([next.messages, next.steers], [1, 1]);
  assert.deepEqual(await unchanged(() => tasks.takeMessages(ref, 'a', 'all')), { verdict: 'superseded' });
  assert.equal(await unchanged(() => tasks.closeInbox(ref)), 'superseded');
});

test('a task is sent so many messages and bytes, and another message under one nonce is refused', async (t) => {
  const { running, tasks, unchanged } = setup(t, { limits: { maxMessages: 3, maxMessagesBytes: 20 } });
  const { ref } = await running();
  const first = message({ content: '"12345678"' });
  await tasks.message(ref.id, first);
  assert.deepEqual(await unchanged(() => tasks.message(ref.id, { ...first, fingerprint: 'other' })), {
    verdict: 'differs',
  });
  assert.deepEqual(await unchanged(() => tasks.message(ref.id, message({ content: '"123456789"' }))), {
    ...{ verdict: 'full', what: 'bytes' },
  });
  for (let n = 0; n < 2; n++)
    assert.equal((await tasks.message(ref.id, message({ content: '1' }))).verdict, 'accepted');
  await tasks.takeMessages(ref, 'a', 'all');
  assert.deepEqual(await unchanged(() => tasks.message(ref.id, message({ content: '1' }))), {
    ...{ verdict: 'full', what: 'messages' },
  });
});

test('any content and any place come back as they were', async (t) => {
  const { running, tasks } = setup(t);
  const { ref } = await running();
  const contents = ['a|b\n|c', '한글\u2028 😀', '', [], [{ type: 'text', text: 'x'.repeat(100_000) }], '"\n\n"'];
  const places = ['', 'turn:1', 'a|b\n|0|', '__proto__', '"', '😀\u2028'];
  for (const content of contents) await tasks.message(ref.id, message({ content: JSON.stringify(content) }));
  const taken = await tasks.takeMessages(ref, 'all', 'all');
  assert.ok(taken.verdict === 'taken');
  assert.deepEqual(
    taken.messages.map(({ content }) => content),
    contents,
  );
  for (const place of places) {
    await tasks.message(ref.id, message());
    await tasks.takeMessages(ref, place, 'all');
  }
  assert.deepEqual([...(await tasks.takenMessages(ref.id)).keys()], ['all', ...places]);
});

test('the inbox of a task leaves Redis with it, and with one that is withdrawn', async (t) => {
  const { running, create, ending, tasks, retention, redis, keys, now } = setup(t);
  const { ref, lastId } = await running();
  await tasks.message(ref.id, message());
  await tasks.finish(ref, ending(lastId));
  assert.equal((await tasks.read('anna', ref.id))?.unreadMessages, 1);
  await retention.keep(0, [ref.id], 0);
  await retention.removeExpired(0, (await now()) + 1_000, 10, 0);
  const withdrawn = await create();
  await tasks.message(withdrawn, message());
  await tasks.cancel(withdrawn, 'anna', { nonce: randomUUID(), withdraw: true });
  const left = [ref.id, withdrawn].flatMap((id) => [keys.inbox(0, id), keys.task(0, id)]);
  assert.equal(await redis.exists(...left), 0);
});
