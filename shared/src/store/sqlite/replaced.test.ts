/** The file of a store is removed, or another one put in its place, while programs use it. */
import assert from 'node:assert/strict';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { openStoreFile } from '../../../../scripts/testing/store-file.ts';
import type { Store } from '../../store.ts';
import { someOwner } from '../contract/samples.ts';
import { open, someFile, started, startProcess } from './testing/process.ts';

const unavailable = { name: 'TaskError', code: 'unavailable' };

/** Reads until it gives what is wanted; after how long the last read was asked that gave something else. */
async function staleFor(store: Store, owner: string, name: string, wanted: string | null): Promise<number> {
  const since = performance.now();
  let staleMs = 0;
  while (performance.now() - since < 60_000) {
    const askedMs = performance.now() - since;
    const found = await store.settings.get(owner, name).catch(() => 'unavailable');
    if (found === wanted) return staleMs;
    if (found !== 'unavailable') staleMs = askedMs;
  }
  throw new Error(`never read ${wanted}`);
}

/** As somebody who does not know the programs opens it. */
function wholeFile(file: string) {
  const database = openStoreFile(file);
  const checked = { ...database.prepare('PRAGMA integrity_check').get() };
  database.close();
  assert.deepEqual(checked, { integrity_check: 'ok' });
}

/** Says of each write what became of it, and when it was begun, by the clock that all processes share. */
const WRITER = `
  for (let n = 0; ; n++) {
    const begun = process.hrtime.bigint();
    const answer = await store.settings.put('o', process.pid + '-' + n, '"x"').then(() => process.pid + '-' + n, (error) => error.code);
    say(answer + ' ' + begun);
  }
`;

const removals = {
  'removed with the files beside it': ['', '-wal', '-shm'],
  'removed alone': [''],
};
for (const [how, ends] of Object.entries(removals)) {
  test(`a file ${how}: nothing is acknowledged behind it that the new file has not, by any process`, async () => {
    const file = someFile();
    const writers = [startProcess(file, WRITER), startProcess(file, WRITER)];
    for (const writer of writers) for (let i = 0; i < 30; i++) await writer.next();
    // All at once for them: else one makes the file anew between two steps, and the next step takes what it has beside it.
    for (const writer of writers) writer.child.kill('SIGSTOP');
    for (const end of ends) await rm(file + end, { force: true });
    const removed = process.hrtime.bigint();
    for (const writer of writers) writer.child.kill('SIGCONT');

    const acknowledged = new Set<string>();
    const told = await Promise.all(
      writers.map(async (writer) => {
        let refused = 0;
        for (let written = 0; written < 100; ) {
          const [answer = '', begun = ''] = (await writer.next()).split(' ');
          if (answer === 'unavailable') refused++;
          else if (BigInt(begun) > removed) {
            acknowledged.add(answer);
            written++;
          }
        }
        return refused;
      }),
    );
    for (const refused of told) assert.ok(refused > 0, 'every process was told');
    for (const writer of writers) writer.child.kill('SIGKILL');
    await Promise.all(writers.map((writer) => writer.exited));
    const store = open(file);
    for (const name of acknowledged) assert.equal(await store.settings.get('o', name), '"x"', name);
    await store.close();
    wholeFile(file);
  });
}

test('of a file that is removed the next write and the next ping tell, and the ones behind them use the new file', async () => {
  for (const ends of Object.values(removals)) {
    const file = someFile();
    const owner = someOwner();
    const [one, other] = [await started(open(file)), await started(open(file))];
    await one.settings.put(owner, 'n', '1');
    assert.equal(await other.settings.get(owner, 'n'), '1');
    for (const end of ends) await rm(file + end, { force: true });
    await assert.rejects(one.settings.put(owner, 'n', '2'), unavailable);
    await assert.rejects(other.ping(), unavailable);
    await one.settings.put(owner, 'n', '3');
    const staleMs = await staleFor(other, owner, 'n', '3');
    assert.ok(staleMs < 1_000, `${staleMs} ms`);
    await Promise.all([one.close(), other.close()]);
    wholeFile(file);
    const later = open(file);
    assert.equal(await later.settings.get(owner, 'n'), '3');
    await later.close();
  }
});

test('a backup that is put in the place of the file is read by what is asked a second later, and stays whole', async () => {
  const file = someFile();
  const owner = someOwner();
  const [one, other] = [await started(open(file)), await started(open(file))];
  for (let i = 0; i < 50; i++) await one.settings.put(owner, `n${i}`, '"before"');
  const copy = openStoreFile(file);
  copy.exec(`VACUUM INTO '${file}.backup'`);
  copy.close();
  for (let i = 0; i < 200; i++) await one.settings.put(owner, `n${i}`, '"behind the backup"');
  assert.equal(await other.settings.get(owner, 'n0'), '"behind the backup"');

  await rename(`${file}.backup`, file);
  const staleMs = await staleFor(other, owner, 'n0', '"before"');
  assert.ok(staleMs < 1_000, `${staleMs} ms`);
  await assert.rejects(one.settings.put(owner, 'new', '1'), unavailable);
  await one.settings.put(owner, 'new', '1');
  assert.equal(await other.settings.get(owner, 'new'), '1');
  assert.equal(await other.settings.get(owner, 'n199'), null);
  await Promise.all([one.close(), other.close()]);
  wholeFile(file);
  const later = open(file);
  assert.equal(await later.settings.get(owner, 'n49'), '"before"');
  assert.equal(await later.settings.get(owner, 'new'), '1');
  await later.close();
});

test('what a removed file left beside it is not taken for a new one made in its place', async () => {
  const file = someFile();
  const writer = startProcess(file, WRITER);
  for (let i = 0; i < 30; i++) await writer.next();
  writer.child.kill('SIGKILL');
  await writer.exited;
  await rm(file);
  assert.ok((await readdir(dirname(file))).length > 0);
  const store = open(file);
  assert.equal(await store.settings.get('o', `${writer.child.pid}-0`), null);
  await store.settings.put('o', 'n', '1');
  await store.close();
  wholeFile(file);
});
