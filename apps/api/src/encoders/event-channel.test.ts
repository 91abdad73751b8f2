import assert from 'node:assert/strict';
import { test } from 'node:test';
import { START } from '@beanline/shared/event.ts';
import { someOwner, someTask, T0 } from '@beanline/shared/store/contract/samples.ts';
import { createArchivedEvents } from '@beanline/shared/tasks/read-archived-events.ts';
import { storeOf, testStore } from '../../../../scripts/testing/store.ts';
import { HANG_MS } from '../../../../scripts/testing/until.ts';
import { createByteBudget, SOCKET_BYTES } from '../http/memory/byte-budget.ts';
import { openArchive } from './event-channel.ts';

const LOG_BYTES = 1_000_000;

test('readers of an archived log share it, and each counts what the system takes: beyond the room for that one has nothing, and comes back', async (t) => {
  const storage = await testStore();
  const store = storeOf({ storeEnv: storage.env });
  t.after(async () => {
    await store.close();
    await storage.drop();
  });
  const owner = someOwner();
  const texts = Array.from({ length: 100 }, (_, index) => ({
    ...{ id: `1-${index + 1}`, prev: index === 0 ? START : `1-${index}`, type: 'text', at: T0 },
    data: JSON.stringify({ content: 'x'.repeat(LOG_BYTES / 100) }),
  }));
  const task = someTask(owner, {}, { events: texts });
  await store.tasks.put([task]);
  const archive = createArchivedEvents({ store }, HANG_MS);
  // The log with what its entries take besides, and three readers, but not a fourth.
  const answers = createByteBudget({ owner: LOG_BYTES + 3.5 * SOCKET_BYTES, all: 100 * LOG_BYTES });
  const open = () => openArchive(archive, answers, { id: task.record.id, owner, archived: true });
  const isOpen = async (opening: ReturnType<typeof open>) =>
    (await (await opening).pull(START, () => undefined)) !== null;

  const readers = await Promise.all(Array.from({ length: 5 }, open));
  const opened = await Promise.all(readers.map((reader) => isOpen(Promise.resolve(reader))));
  assert.deepEqual(opened, [true, true, true, false, false]);
  assert.ok(answers.bytes() >= LOG_BYTES + 3 * SOCKET_BYTES);
  readers[1]?.close();
  const next = open();
  assert.equal(await isOpen(next), true);
  for (const reader of [...readers, await next]) reader.close();
  assert.equal(answers.bytes(), 0);
  assert.equal(archive.size(), 0);
});
