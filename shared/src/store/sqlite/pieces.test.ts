/** What is done in pieces, by whole stores: over the death of a process, and beside the writes of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdStoreFile, openStoreFile } from '../../../../scripts/testing/store-file.ts';
import { until } from '../../../../scripts/testing/until.ts';
import { notes } from '../contract/notes.ts';
import { randomOf, someMessage, someOwner, someSession, T0 } from '../contract/samples.ts';
import { open, someFile, started, startProcess } from './testing/process.ts';

const random = randomOf(37);
const noise = (length: number) =>
  Array.from({ length }, () => String.fromCharCode(0x21 + Math.floor(random() * 90))).join('');

test('what a process that is killed has left of an index and a deletion, the next one ends', async () => {
  const file = someFile();
  const [owner, other] = [someOwner(), someOwner()];
  const text = noise(60_000);
  const writer = startProcess(
    file,
    `
    const [owner, other] = ${JSON.stringify([owner, other])};
    const [kept, gone] = [samples.someSession(owner), samples.someSession(other)];
    say(gone.id);
    for (const session of [kept, gone]) await store.sessions.create(session);
    for (let n = 0; n < 40; n++) {
      const messages = Array.from({ length: 100 }, (_, i) => samples.someMessage('a bean', { createdAt: samples.T0 + 100 * n + i }));
      await store.messages.append(other, gone.id, { id: 't', messages, tokens: 1, now: samples.T0 });
    }
    const long = samples.someMessage((await lines.next()).value);
    store.messages.append(owner, kept.id, { id: 't', messages: [long], tokens: 1, now: samples.T0 });
    const page = () => store.messages.page(owner, kept.id, { limit: 5, before: null });
    while ((await page()).length === 0);
    await store.sessions.delete(other, gone.id);
    process.kill(process.pid, 'SIGKILL');
  `,
  );
  const gone = await writer.next();
  writer.tell(text);
  await writer.exited;
  const database = openStoreFile(file);
  const count = (table: string) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  assert.ok(count('unindexed') + count('deletions') > 0, 'it was killed in the middle');
  const store = open(file);
  assert.equal(await store.sessions.read(other, gone), null);
  assert.deepEqual(await store.messages.matching(other, 'a bean', 5), []);
  await store.ping();
  await until(() => count('unindexed') + count('deletions') === 0);
  assert.equal(count('messages'), 1);
  for (const from of [0, 5_000, 12_000]) {
    assert.equal((await store.messages.matching(owner, text.slice(from, from + 100), 5)).length, 1);
  }
  assert.equal(count('message_trigrams'), 1 + count('segments'));
  await store.close();
  database.close();
});

test('behind a flood that waits already, another owner’s writes are the first to end', async () => {
  const file = someFile();
  const store = await started(open(file));
  const [flooding, quiet] = [someSession(someOwner()), someSession(someOwner())];
  for (const session of [flooding, quiet]) await store.sessions.create(session);
  const ends: string[] = [];
  const append = (session: typeof quiet, text: string, name: string) => {
    const message = someMessage(text);
    const turn = { id: message.id, messages: [message], tokens: 1, now: T0 };
    return store.messages.append(session.owner, session.id, turn).then(() => ends.push(name));
  };
  // Held, so that all of it waits before anything is written.
  const holder = holdStoreFile(file);
  const flood = Array.from({ length: 10 }, () => append(flooding, noise(30_000), 'flood'));
  const written = [
    append(quiet, 'a few words', 'quiet'),
    store.sessions.setTitle(quiet.owner, quiet.id, 'Words', 'client', T0).then(() => ends.push('quiet')),
    notes(store)
      .put(quiet.owner, 'n', '1')
      .then(() => ends.push('quiet')),
  ];
  holder.exec('ROLLBACK');
  holder.close();
  await Promise.all([...flood, ...written]);
  assert.deepEqual(ends, [...written.map(() => 'quiet'), ...flood.map(() => 'flood')]);
  await store.close();
});

test('an owner has two thousand writes that wait; one more is refused, and another owner’s is not', async () => {
  const file = someFile();
  const store = await started(open(file));
  const [flooding, quiet] = [someOwner(), someOwner()];
  await notes(store).put(quiet, 'n', '0');
  const holder = holdStoreFile(file);
  const writes = Array.from({ length: 2_000 }, (_, i) => notes(store).put(flooding, `n${i}`, '1'));
  await assert.rejects(notes(store).put(flooding, 'more', '1'), { code: 'rate_limited', retryAfterMs: 1_000 });
  const other = notes(store).put(quiet, 'n', '1');
  holder.exec('ROLLBACK');
  holder.close();
  await Promise.all([...writes, other]);
  await notes(store).put(flooding, 'more', '1');
  assert.equal(await notes(store).get(quiet, 'n'), '1');
  await store.close();
});
