import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { holdStoreFile, openStoreFile } from '../../../../scripts/testing/store-file.ts';
import { notes } from '../contract/notes.ts';
import { someMessage, someOwner, someSession, T0, talk } from '../contract/samples.ts';
import { open, someFile, started, startProcess } from './testing/process.ts';

test('two processes that write one session at once lose and repeat nothing', async () => {
  const file = someFile();
  const store = open(file);
  const owner = someOwner();
  const session = someSession(owner);
  await store.sessions.create(session);
  const shared = Array.from({ length: 40 }, (_, i) => someMessage(`shared ${i}`, { createdAt: T0 + i }));
  const code = `
    const { owner, id, shared } = JSON.parse((await lines.next()).value);
    await Promise.all(shared.map(async (message, i) => {
      await store.messages.append(owner, id, { id: message.id, messages: [message], tokens: 1, now: message.createdAt });
      const own = samples.someMessage('own', { createdAt: message.createdAt });
      await store.messages.append(owner, id, { id: own.id, messages: [own], tokens: 1, now: own.createdAt });
    }));
    say('done');
    await store.close();
    process.exit();
  `;
  const processes = [startProcess(file, code), startProcess(file, code)];
  for (const one of processes) one.tell(JSON.stringify({ owner, id: session.id, shared }));
  for (const one of processes) assert.equal(await one.next(), 'done');
  await Promise.all(processes.map((one) => one.exited));
  const after = await store.sessions.read(owner, session.id);
  assert.deepEqual([after?.messageCount, after?.totalTokens], [120, 120]);
  const messages = await store.messages.page(owner, session.id, { limit: 1_000, before: null });
  assert.equal(messages.length, 120);
  assert.deepEqual(
    messages.filter(({ text }) => text !== 'own'),
    shared,
  );
  assert.equal((await store.messages.matching(owner, 'own', 1_000)).length, 80);
  await store.close();
});

test('a process that is killed while it writes loses nothing it was told is written, and leaves a whole file', async () => {
  const file = someFile();
  const owner = someOwner();
  const code = `
    const owner = ${JSON.stringify(owner)};
    const session = samples.someSession(owner);
    await store.sessions.create(session);
    say(session.id);
    for (let n = 0; ; n++) {
      const messages = [0, 1].map((i) => samples.someMessage('turn ' + n, { createdAt: samples.T0 + 2 * n + i }));
      const tasks = Array.from({ length: 20 }, () => samples.someTask(owner, { type: 'batch' + n }));
      store.tasks.put(tasks).then(() => say('batch' + n));
      store.messages.append(owner, session.id, { id: 't' + n, messages, tokens: 1, now: samples.T0 }).then(() => say('turn ' + n));
      if (n % 10 === 0) await store.ping();
    }
  `;
  for (let round = 0; round < 3; round++) {
    const writer = startProcess(file, code);
    const sessionId = await writer.next();
    const kept = new Set<string>();
    while (kept.size < 150) kept.add(await writer.next());
    writer.child.kill('SIGKILL');
    await writer.exited;
    const store = open(file);
    for (const name of kept) {
      if (name.startsWith('turn')) assert.ok((await store.messages.matching(owner, name, 1_000)).length >= 2, name);
    }
    const session = await store.sessions.read(owner, sessionId);
    const messages = await store.messages.page(owner, sessionId, { limit: 100_000, before: null });
    assert.deepEqual([session?.messageCount, session?.totalTokens], [messages.length, messages.length / 2]);
    const turns = new Set(messages.map(({ text }) => text));
    for (const name of kept) if (name.startsWith('turn')) assert.ok(turns.has(name), name);
    const tasks = await store.tasks.list(owner, { limit: 100_000, before: null });
    const batches = Map.groupBy(tasks, ({ type }) => type);
    for (const name of kept) if (name.startsWith('batch')) assert.ok(batches.has(name), name);
    // Batches are whole, also the last one, of which nobody was told.
    for (const [name, batch] of batches) assert.equal(batch.length % 20, 0, name);
    await store.close();
    const database = openStoreFile(file);
    assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
    database.exec(`INSERT INTO message_trigrams (message_trigrams) VALUES ('integrity-check')`);
    const found = database.prepare('SELECT count(*) AS n FROM messages').get();
    assert.deepEqual(found, database.prepare('SELECT count(*) AS n FROM message_trigrams').get());
    database.close();
  }
});

test('many that open a new file at once all find it ready', async () => {
  for (let round = 0; round < 3; round++) {
    const file = someFile();
    const stores = Array.from({ length: 3 }, () => open(file));
    const other = startProcess(file, `await store.ping(); say('ready'); await store.close(); process.exit();`);
    await Promise.all(stores.map((store) => store.ping()));
    assert.equal(await other.next(), 'ready');
    await other.exited;
    await Promise.all(stores.map((store) => store.close()));
  }
});

test('a thread that dies fails the calls under way, and the next one finds another', async () => {
  const workers: Worker[] = [];
  const note = (worker: Worker) => workers.push(worker);
  process.on('worker', note);
  const file = someFile();
  const store = await started(open(file));
  const owner = someOwner();
  process.off('worker', note);
  // Held, so that no call ends before its thread does.
  const holder = holdStoreFile(file);
  const calls = Array.from({ length: 200 }, (_, i) => notes(store).put(owner, `n${i}`, '"x"'));
  const settled = Promise.allSettled(calls);
  await Promise.all(workers.map((worker) => worker.terminate()));
  for (const end of await settled) assert.equal(end.status === 'rejected' && end.reason.code, 'unavailable');
  holder.exec('ROLLBACK');
  holder.close();
  await notes(store).put(owner, 'after', '1');
  assert.equal(await notes(store).get(owner, 'after'), '1');
  await store.close();
});

test('a search neither stops the thread that asks nor delays reads and writes', async () => {
  const store = open();
  const owner = someOwner();
  for (let i = 0; i < 20; i++) {
    await talk(
      store,
      owner,
      Array.from({ length: 100 }, (_, n) => `abcd bcde cdef ${i} ${n} ${'lorem ipsum '.repeat(20)}`),
    );
  }
  const { sessionId } = await talk(store, owner, ['another']);
  // Seconds of work: the disk writes once before they have ended, and all would end within the time of a call.
  let searching = 300;
  const searches = Array.from({ length: searching }, async () => {
    assert.deepEqual(await store.messages.matching(owner, 'abcdef', 10), []);
    searching--;
  });
  const dropped = Promise.allSettled(searches);
  let turns = 0;
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const page = () => store.messages.page(owner, sessionId, { limit: 10, before: null });
  assert.equal((await page()).length, 1);
  assert.ok(searching > 0, 'the searches are under way');
  const turn = { id: 't', messages: [someMessage('now')], tokens: 1, now: T0 };
  await store.messages.append(owner, sessionId, turn);
  assert.ok(searching > 0, 'the searches are under way');
  assert.equal((await page()).length, 2);
  await Promise.all(searches.slice(0, 40));
  counting = false;
  assert.ok(turns > 100, `${turns} turns`);
  await store.close();
  await dropped;
});

test('a program that used a store and does not close it ends by itself, and nothing is said of SQLite', async () => {
  const file = someFile();
  const at = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  const program = `const { sqliteStore } = await import(${at('./store.ts')});
    const { notes } = await import(${at('../contract/notes.ts')});
    const store = sqliteStore({ file: ${JSON.stringify(file)}, timeoutMs: 30000 });
    await notes(store).put('o', 'n', '1');
    await store.messages.matching('o', 'x', 1);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.doesNotMatch(said, /sqlite/i);
});

test('a store that is closed first ends what it was asked', async () => {
  const file = someFile();
  const owner = someOwner();
  const store = await started(open(file));
  const writes = Array.from({ length: 50 }, (_, i) => notes(store).put(owner, `n${i}`, String(i)));
  const reads = Array.from({ length: 50 }, (_, i) => notes(store).get(owner, `n${i}`));
  await Promise.all([store.close(), ...writes, ...reads]);
  const later = open(file);
  for (let i = 0; i < writes.length; i++) assert.equal(await notes(later).get(owner, `n${i}`), String(i));
  await later.close();
});
