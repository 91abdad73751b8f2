import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { holdStoreFile, openStoreFile } from '../../../../scripts/testing/store-file.ts';
import { notes } from '../contract/notes.ts';
import { someOwner, someTask } from '../contract/samples.ts';
import { open, someFile, started, startProcess } from './testing/process.ts';

const unavailable = { name: 'TaskError', code: 'unavailable' };

test('a file that another program holds is unavailable to writers within the time given, and readable; then all is well', async () => {
  const file = someFile();
  const store = await started(open(file, 3_000));
  // For calls that must succeed, also on a busy machine.
  const patient = open(file);
  const owner = someOwner();
  await notes(patient).put(owner, 'n', '1');
  const holder = holdStoreFile(file);
  const since = performance.now();
  await assert.rejects(notes(store).put(owner, 'n', '2'), unavailable);
  await assert.rejects(store.ping(), unavailable);
  assert.ok(performance.now() - since < 15_000);
  assert.equal(await notes(patient).get(owner, 'n'), '1');
  holder.exec('ROLLBACK');
  holder.close();
  await started(store);
  await notes(patient).put(owner, 'n', '3');
  assert.equal(await notes(patient).get(owner, 'n'), '3');
  await Promise.all([store.close(), patient.close()]);
});

test('a stored noun of which nothing was ever written is read as none while nobody may write', async () => {
  const file = someFile();
  const store = await started(open(file, 3_000));
  const holder = holdStoreFile(file);
  const patient = open(file);
  assert.equal(await notes(patient).get('o', 'n'), null);
  assert.deepEqual(await notes(patient).withText('o', 'x'), []);
  await assert.rejects(notes(store).put('o', 'n', '1'), unavailable);
  holder.exec('ROLLBACK');
  holder.close();
  await notes(patient).put('o', 'n', '1');
  assert.deepEqual(await notes(patient).withText('o', '1'), ['n']);
  await Promise.all([store.close(), patient.close()]);
});

test('a write that was refused for the time it waited does not come to life later', async () => {
  const file = someFile();
  const store = await started(open(file, 2_000));
  const owner = someOwner();
  const holder = holdStoreFile(file);
  const refused = Array.from({ length: 30 }, (_, i) => notes(store).put(owner, `refused${i}`, '2'));
  for (const result of await Promise.allSettled(refused)) assert.equal(result.status, 'rejected');
  holder.exec('ROLLBACK');
  holder.close();
  await store.close();
  const later = open(file);
  for (let i = 0; i < refused.length; i++) assert.equal(await notes(later).get(owner, `refused${i}`), null);
  await later.close();
});

test('a file that is none of ours, or of a newer release, is unavailable and left as it is', async () => {
  const file = someFile();
  await mkdir(join(file, '..'));
  await writeFile(file, 'this is no database'.repeat(1_000));
  const store = open(file);
  await assert.rejects(store.ping(), unavailable);
  await rm(file);
  await store.ping();
  await store.close();
  const newer = openStoreFile(file);
  newer.exec('PRAGMA user_version = 999');
  const late = open(file);
  await assert.rejects(late.ping(), { ...unavailable, message: /newer release.*999/ });
  await assert.rejects(late.tasks.put([someTask(someOwner())]), unavailable);
  assert.deepEqual({ ...newer.prepare('PRAGMA user_version').get() }, { user_version: 999 });
  newer.close();
  await late.close();
});

test('a file or directory that cannot be written is unavailable until it can be', async () => {
  const file = someFile();
  const directory = join(file, '..');
  await writeFile(directory, 'a file where the directory should be');
  // Root may write anything: the other process becomes somebody else once its threads run.
  const other = startProcess(
    file,
    `
    for await (const line of { [Symbol.asyncIterator]: () => lines }) {
      if (line === 'leave') break;
      if (line === 'drop' && process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const done = line === 'drop' ? Promise.resolve() : notes(store).put('o', 'n', line);
      await done.then(() => say('ok'), (error) => say(error.code));
    }
    await store.close();
    process.exit();
  `,
  );
  const ask = (line: string) => {
    other.tell(line);
    return other.next();
  };
  const mine = async (path: string) => {
    if (process.getuid?.() === 0) await chown(path, 65534, 65534);
  };
  assert.equal(await ask('1'), 'unavailable');
  await ask('drop');
  await rm(directory);
  await mkdir(directory);
  await mine(directory);
  await chmod(directory, 0o555);
  assert.equal(await ask('2'), 'unavailable');
  await chmod(directory, 0o755);
  const before = open(file);
  await notes(before).put('o', 'n', '"before"');
  await before.close();
  await mine(file);
  await chmod(file, 0o444);
  await chmod(directory, 0o555);
  assert.equal(await ask('3'), 'unavailable');
  await chmod(directory, 0o755);
  assert.equal(await ask('4'), 'unavailable');
  await chmod(file, 0o644);
  assert.equal(await ask('5'), 'ok');
  other.tell('leave');
  await other.exited;
  const store = open(file);
  assert.equal(await notes(store).get('o', 'n'), '5');
  await store.close();
});

test('a full disk is unavailable to writers until there is room, and what was written stays', {
  skip: process.platform !== 'linux' && 'the limit of a file size is raised by prlimit',
}, async () => {
  const file = someFile();
  const other = startProcess(
    file,
    `
    let n = 0;
    const put = () => notes(store).put('o', 'n' + n, JSON.stringify('x'.repeat(20_000))).then(() => n++);
    try { while (true) await put(); } catch (error) { say(error.code); }
    say(String(n));
    say(await notes(store).get('o', 'n0') === null ? 'lost' : 'kept');
    await lines.next();
    await put();
    say(String(n));
    await store.close();
    process.exit();
  `,
    { under: ['sh', '-c', 'ulimit -S -f 4096; exec "$@"', 'sh'] },
  );
  assert.equal(await other.next(), 'unavailable');
  const written = Number(await other.next());
  assert.ok(written > 0);
  assert.equal(await other.next(), 'kept');
  const raised = spawn('prlimit', ['--fsize=unlimited', '--pid', String(other.child.pid)], { stdio: 'inherit' });
  assert.deepEqual(await once(raised, 'exit'), [0, null]);
  other.tell('go on');
  assert.equal(await other.next(), String(written + 1));
  await other.exited;
  const store = open(file);
  for (let n = 0; n <= written; n++) assert.notEqual(await notes(store).get('o', `n${n}`), null);
  await store.close();
});
