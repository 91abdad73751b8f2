/** Collections in a SQLite file that several processes use, die on, and make at the same moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { openStoreFile } from '../../../../scripts/testing/store-file.ts';
import { defineCollection } from '../collection.ts';
import { someOwner } from '../contract/samples.ts';
import { open, someFile, startProcess } from './testing/process.ts';

const definition = {
  name: 'counters',
  schema: z.object({ state: z.string(), count: z.int() }),
  indexes: [['state', 'count']],
  retention: null,
  owner: 'required',
} as const;
const counters = defineCollection(definition);

/** The same in another process. */
const DECLARED = `
  const { defineCollection } = await import(at('../../collection.ts'));
  const { z } = await import(at('zod'));
  const counters = store.collection(defineCollection({
    name: 'counters', schema: z.object({ state: z.string(), count: z.int() }),
    indexes: [['state', 'count']], retention: null, owner: 'required',
  }));
`;

/** SQLite finds the file whole, and each entry of its indexes with its row. */
function assertWhole(file: string) {
  const database = openStoreFile(file);
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  database.close();
}

test('processes that use a new collection at the same moment all find it, with its indexes', async () => {
  for (let round = 0; round < 2; round++) {
    const file = someFile();
    await open(file).ping();
    const code = `${DECLARED}
      say('ready');
      await lines.next();
      const [found] = await Promise.all([
        counters.list('o', { where: { state: 's' }, by: 'count', limit: 5 }),
        counters.put('o', String(process.pid), { state: 's', count: process.pid }),
      ]);
      say('done');
      await store.close();
      process.exit();
    `;
    const processes = [1, 2, 3].map(() => startProcess(file, code));
    for (const one of processes) assert.equal(await one.next(), 'ready');
    for (const one of processes) one.tell('go');
    for (const one of processes) assert.equal(await one.next(), 'done');
    const store = open(file);
    const { found } = await store.collection(counters).list('o', { where: { state: 's' }, by: 'count', limit: 5 });
    assert.deepEqual(
      found.map(({ document }) => document.count),
      processes.map(({ child }) => child.pid ?? 0).sort((a, b) => a - b),
    );
    await store.close();
  }
});

test('two processes that change one document, and claim many, lose no change and share no claim', async () => {
  const file = someFile();
  const owner = someOwner();
  const store = open(file);
  await store.collection(counters).put(owner, 'one', { state: 's', count: 0 });
  const code = `${DECLARED}
    const owner = ${JSON.stringify(owner)};
    const change = () => counters.update(owner, 'one', (one) => ({ ...one, count: one.count + 1 }));
    const claim = (n) => counters.insert(owner, 'claim ' + n, { state: 'claimed', count: process.pid });
    let won = 0;
    for (let n = 0; n < 100; n++) {
      const [, { inserted, document }] = await Promise.all([change(), claim(n)]);
      if (inserted !== (document.count === process.pid)) say('somebody else has it');
      if (inserted) won++;
    }
    say(String(won));
    await store.close();
    process.exit();
  `;
  const processes = [startProcess(file, code), startProcess(file, code)];
  const won = await Promise.all(processes.map((one) => one.next()));
  assert.equal(Number(won[0]) + Number(won[1]), 100);
  assert.equal((await store.collection(counters).get(owner, 'one'))?.count, 200);
  for (const [i, { child }] of processes.entries()) {
    const theirs = {
      where: { state: 'claimed' },
      by: 'count',
      from: child.pid ?? 0,
      below: (child.pid ?? 0) + 1,
    } as const;
    assert.equal(await store.collection(counters).count(owner, theirs), Number(won[i]));
  }
  await store.close();
});

test('a process that is killed while it writes documents loses none that it was told is written', async () => {
  const file = someFile();
  const owner = someOwner();
  const code = `${DECLARED}
    const owner = ${JSON.stringify(owner)};
    for (let n = 0; ; n++) {
      const written = [
        counters.put(owner, 'last', { state: 'last', count: n }),
        counters.insert(owner, process.pid + ' ' + n, { state: 'kept', count: n }),
      ];
      await Promise.all(written);
      say(String(n));
    }
  `;
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    const writer = startProcess(file, code);
    let told = 0;
    while (told < 100) told = Number(await writer.next());
    writer.child.kill('SIGKILL');
    await writer.exited;
    kept += told + 1;
    const store = open(file);
    const last = await store.collection(counters).get(owner, 'last');
    assert.ok((last?.count ?? 0) >= told, `${last?.count} of ${told}`);
    assert.ok((await store.collection(counters).count(owner, { where: { state: 'kept' }, by: 'count' })) >= kept);
    for (let n = 0; n <= told; n++) {
      assert.equal((await store.collection(counters).get(owner, `${writer.child.pid} ${n}`))?.count, n);
    }
    // In its index once, however often it was replaced.
    assert.equal(await store.collection(counters).count(owner, { where: { state: 'last' }, by: 'count' }), 1);
    await store.close();
    assertWhole(file);
  }
});

test('a collection whose making is taken back with the write that asked for it is made by the next one', async () => {
  const store = open();
  const nested = defineCollection({
    name: 'nested',
    schema: z.object({ text: z.string(), held: z.unknown() }),
    indexes: [['text']],
    retention: null,
    owner: 'none',
  });
  // Deeper than SQLite reads JSON, so that the index refuses it.
  let held: unknown = 0;
  for (let depth = 0; depth < 2_000; depth++) held = [held];
  await assert.rejects(store.collection(nested).put('deep', { text: 'x', held }), { code: 'internal' });
  await store.collection(nested).put('flat', { text: 'x', held: 0 });
  const { found } = await store.collection(nested).list({ where: { text: 'x' }, limit: 5 });
  assert.deepEqual(
    found.map(({ id }) => id),
    ['flat'],
  );
  await store.close();
});

test('an index that is declared later is made, also of the documents that are there', async () => {
  const file = someFile();
  const before = open(file);
  await before.collection(defineCollection({ ...definition, indexes: [] })).put('o', 'old', { state: 's', count: 1 });
  const after = open(file);
  await after.collection(counters).put('o', 'new', { state: 's', count: 2 });
  const { found } = await after.collection(counters).list('o', { where: { state: 's' }, by: 'count', limit: 5 });
  assert.deepEqual(
    found.map(({ id }) => id),
    ['old', 'new'],
  );
  await Promise.all([before.close(), after.close()]);
});
