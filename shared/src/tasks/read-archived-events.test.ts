import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { storeOf, testStore } from '../../../scripts/testing/store.ts';
import { HANG_MS } from '../../../scripts/testing/until.ts';
import { type Frame, type LogEntry, START } from '../event.ts';
import { someOwner, someTask, T0 } from '../store/contract/samples.ts';
import { type ArchivedLog, archivedFrames, createArchivedEvents } from './read-archived-events.ts';

const PAGE_BYTES = 64 * 1024;
const DATA_BYTES = 5_000;
const EVENTS = 200;

/** A task of many events and a large output, in a store. */
async function setup(t: TestContext) {
  const storage = await testStore();
  const store = storeOf({ storeEnv: storage.env });
  t.after(async () => {
    await store.close();
    await storage.drop();
  });
  const owner = someOwner();
  const idOf = (index: number) => `1-${index}`;
  const events: LogEntry[] = Array.from({ length: EVENTS }, (_, index) => ({
    id: idOf(index + 1),
    prev: index === 0 ? START : idOf(index),
    type: index === EVENTS - 1 ? 'done' : 'text',
    at: T0,
    data: index === EVENTS - 1 ? '{"status":"completed"}' : JSON.stringify({ content: 'x'.repeat(DATA_BYTES) }),
  }));
  const output = JSON.stringify({ content: 'y'.repeat(1_000_000) });
  const task = someTask(owner, { output }, { events });
  await store.tasks.put([task]);
  return { archive: createArchivedEvents({ store }, HANG_MS), store, owner, id: task.record.id, events };
}

async function openLog(archive: ReturnType<typeof createArchivedEvents>, owner: string, id: string) {
  const opened = await archive.open(owner, id);
  assert.ok(opened);
  return opened;
}

test('a reader of an archived task has no more frames made for it than one page, and the end by itself', async (t) => {
  const { archive, owner, id, events } = await setup(t);
  const { log, close } = await openLog(archive, owner, id);
  let made = 0;
  const counted: ArchivedLog = {
    ...log,
    frame(entry) {
      made++;
      return log.frame(entry);
    },
  };
  const seen: Frame[] = [];
  for (let after = START; ; ) {
    made = 0;
    const frames = archivedFrames(counted, id, after);
    const last = frames.at(-1);
    if (!last) break;
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
    assert.ok(frames.length === 1 || bytes <= PAGE_BYTES, `${bytes} bytes`);
    // One was made to see that it does not go along.
    assert.ok(made <= frames.length + 1, `${made} made for ${frames.length}`);
    seen.push(...frames);
    after = last.id;
  }
  assert.deepEqual(
    seen.map((frame) => [frame.prev, frame.id, frame.type]),
    events.map(({ prev, id, type }) => [prev, id, type]),
  );
  close();
});

test('readers of one archived task share its log and the frame of its end, and it is let go with the last', async (t) => {
  const { archive, owner, id } = await setup(t);
  const [one, two] = await Promise.all([openLog(archive, owner, id), openLog(archive, owner, id)]);
  assert.equal(one.log, two.log);
  assert.equal(archive.size(), 1);
  const ends = [one, two].map(({ log }) => archivedFrames(log, id, `1-${EVENTS - 1}`)[0]);
  assert.equal(ends[0]?.type, 'done');
  assert.equal(ends[0]?.bytes, ends[1]?.bytes);
  one.close();
  one.close();
  assert.equal(archive.size(), 1);
  two.close();
  assert.equal(archive.size(), 0);

  assert.equal(await archive.open(someOwner(), id), null);
  assert.equal(archive.size(), 0);
});

test('two logs of an owner are read at once and twenty wait; one more is refused, and another owner’s is read', async (t) => {
  const { archive, store, owner } = await setup(t);
  const [other, ...own] = [someOwner(), ...Array.from({ length: 23 }, () => owner)].map((whose) => someTask(whose));
  assert.ok(other);
  await store.tasks.put([other, ...own]);
  const opening = [...own, other].map(({ record }) => archive.open(record.owner, record.id));
  const answers = await Promise.allSettled(opening);
  const refused = answers.flatMap((answer, index) =>
    answer.status === 'rejected' ? [[index, answer.reason.code]] : [],
  );
  assert.deepEqual(refused, [[22, 'rate_limited']]);
  assert.equal(archive.size(), 23);
  for (const answer of answers) if (answer.status === 'fulfilled') answer.value?.close();
  assert.equal(archive.size(), 0);
});
