/** What a failover loses: the new master's log ends before what readers have seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskLive } from '../../../scripts/testing/task-live.ts';
import { until } from '../../../scripts/testing/until.ts';

const setup = taskLive();
const said = (frames: { id: string; type: string; prev: string }[]) =>
  frames.map(({ id, type, prev }) => `${id} ${type} after ${prev}`);

/** An attempt that has said three pieces, of which the last `lost` are gone with their master. */
async function failover({ running, writer, redis, keys }: ReturnType<typeof setup>, lost: number) {
  const { ref, lastId } = await running();
  const out = writer(ref, lastId);
  await out.next(10, 3);
  const lose = async () => {
    for (let seq = 4; seq > 4 - lost; seq--) await redis.xdel(keys.log(0, ref.id), `1-${seq}`);
    const tail = `1-${4 - lost}`;
    await redis.hset(keys.task(0, ref.id), 'last_id', tail);
    // XADD must take the lost ids again, as on a master that never had them.
    await redis.call('XSETID', keys.log(0, ref.id), tail);
    return tail;
  };
  return { ref, last: out.last(), lose };
}

test('a reader that has seen what a failover lost is told of the gap, and then of the discard', async (t) => {
  const at = setup(t);
  const { ref, last, lose } = await failover(at, 2);
  const { frames } = at.reader(ref.id);
  await until(() => frames.length === 5);
  await lose();
  assert.deepEqual(await at.tasks.append(ref, last, [{ id: '1-5', type: 'text', data: '{}' }]), { verdict: 'behind' });
  await at.tasks.release(ref, { ...at.retry(last), entries: [{ id: '1-5', type: 'text', data: '{}' }] });
  await at.begin(ref.id);
  await until(() => frames.length === 8);
  assert.deepEqual(said(frames.slice(5)), ['1-2 gap after 1-4', '1-6 retrying after 1-2', '2-1 started after 1-6']);
  assert.match(
    String(frames[5]?.bytes),
    new RegExp(`"data":{"from":"1-4","to":"1-2","snapshot_url":"/tasks/${ref.id}"}`),
  );
});

test('a reader that waits is told of the gap although nothing more is said', async (t) => {
  const at = setup(t);
  const { ref, lose } = await failover(at, 1);
  const { frames, looked } = at.reader(ref.id);
  await until(() => frames.length === 5);
  await lose();
  const lostAt = at.looks();
  await until(() => frames.length === 6);
  // The first check of the silent task, and the reader's own look.
  assert.ok((looked.at(-1) ?? assert.fail()) <= lostAt + 2, `${looked} looks, lost at ${lostAt}`);
  assert.deepEqual(said(frames.slice(5)), ['1-3 gap after 1-4']);
});

test('a reader sees anew what it was told is taken back, when the runner sends it to the new master', async (t) => {
  const at = setup(t);
  const { ref, lose } = await failover(at, 1);
  const { frames } = at.reader(ref.id);
  await until(() => frames.length === 5);
  const taken = frames[4];
  const tail = await lose();
  await until(() => frames.length === 6);
  // Its flush was under way when the master went: the connection sends it again.
  const entry = { id: '1-4', type: 'text', data: JSON.stringify({ content: 'again' }) };
  assert.equal((await at.tasks.append(ref, tail, [entry])).verdict, 'appended');
  await until(() => frames.length === 7);
  assert.deepEqual(said(frames.slice(5)), ['1-3 gap after 1-4', '1-4 text after 1-3']);
  assert.equal(taken?.id, '1-4');
});

test('a reader that had not yet seen what was lost goes on without a gap', async (t) => {
  const at = setup(t);
  const { ref, last, lose } = await failover(at, 1);
  await lose();
  const { frames } = at.reader(ref.id, '1-3');
  await at.tasks.release(ref, at.retry(last));
  await until(() => frames.length === 1);
  assert.deepEqual(said(frames), ['1-5 retrying after 1-3']);
});

test('a reader that comes back after the failover with an id that is lost is told of the gap', async (t) => {
  const at = setup(t);
  const { ref, last, lose } = await failover(at, 1);
  await lose();
  await at.tasks.release(ref, at.retry(last));
  const { frames } = at.reader(ref.id, '1-4');
  await until(() => frames.length === 2);
  assert.deepEqual(said(frames), ['1-3 gap after 1-4', '1-5 retrying after 1-3']);
});

test('readers of a task that vanished with its master are let go', async (t) => {
  const at = setup(t);
  const { ref } = await at.running();
  const { frames, ended } = at.reader(ref.id);
  await until(() => frames.length === 2);
  await at.redis.unlink(at.keys.task(0, ref.id), at.keys.log(0, ref.id));
  await ended;
});
