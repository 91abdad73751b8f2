import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHeavyWork } from './heavy-work.ts';

const WORK_MS = 20;
/** A timer may come a millisecond early by this clock. */
const CLOCK_MS = 1;

/** Holds up the thread. */
function toil() {
  for (const until = performance.now() + WORK_MS; performance.now() < until; );
  return performance.now();
}

test('heavy work is done one at a time, owners in turn, and each owner’s in order', async () => {
  const heavy = createHeavyWork();
  const done: string[] = [];
  const one = (owner: string, name: string) =>
    heavy.run(owner, () => {
      toil();
      done.push(name);
    });
  await Promise.all([one('anna', 'a1'), one('anna', 'a2'), one('anna', 'a3'), one('ben', 'b1'), one('carol', 'c1')]);
  assert.deepEqual(done, ['a1', 'b1', 'c1', 'a2', 'a3']);
});

test('after heavy work its owner rests for four times as long, and everybody for as long, whether or not somebody waits', async () => {
  const heavy = createHeavyWork();
  const ended = await heavy.run('anna', toil);
  await new Promise((resolve) => setImmediate(resolve));
  const [anna, ben] = await Promise.all([
    heavy.run('anna', () => performance.now()),
    heavy.run('ben', () => performance.now()),
  ]);
  assert.ok(anna - ended >= 4 * WORK_MS - CLOCK_MS, `${anna - ended} ms`);
  assert.ok(ben - ended >= WORK_MS - CLOCK_MS, `${ben - ended} ms`);
});

test('what the caller does at once with what it got is a part of the work', async () => {
  const heavy = createHeavyWork();
  const ended = await heavy.run('anna', () => null).then(toil);
  const next = await heavy.run('anna', () => performance.now());
  assert.ok(next - ended >= 4 * WORK_MS - CLOCK_MS, `${next - ended} ms`);
});

test('work that throws rests too, and the next one is done', async () => {
  const heavy = createHeavyWork();
  await assert.rejects(
    heavy.run('anna', () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  assert.equal(await heavy.run('anna', () => 'done'), 'done');
});
