import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOwnerLines } from './lines.ts';

function setup(limits: Partial<Parameters<typeof createOwnerLines>[0]> = {}) {
  const lines = createOwnerLines({ atOnce: 2, inLine: 3, waitMs: 60_000, ...limits });
  const begun: string[] = [];
  /** Work that runs until `end`. */
  function start(owner: string, name: string) {
    const work = Promise.withResolvers<string>();
    const result = lines.run(owner, () => {
      begun.push(name);
      return work.promise;
    });
    // Whoever looks at it does so later.
    result.catch(() => undefined);
    return { result, end: () => work.resolve(name), fail: () => work.reject(new Error(name)) };
  }
  return { lines, begun, start };
}

const turns = () => new Promise((resolve) => setImmediate(resolve));

test('two of an owner run at once, three wait in order, more are refused; another owner waits for none of them', async () => {
  const { begun, start } = setup();
  const all = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'].map((name) => start('anna', name));
  await assert.rejects(all[5]?.result ?? Promise.resolve(), { code: 'rate_limited', retryAfterMs: 1_000 });
  const other = start('ben', 'b1');
  await turns();
  assert.deepEqual(begun, ['a1', 'a2', 'b1']);
  other.end();
  assert.equal(await other.result, 'b1');
  all[1]?.fail();
  await assert.rejects(all[1]?.result ?? Promise.resolve(), { message: 'a2' });
  await turns();
  assert.deepEqual(begun, ['a1', 'a2', 'b1', 'a3']);
  for (const one of all) one.end();
  assert.deepEqual(await Promise.all([2, 3, 4].map((i) => all[i]?.result)), ['a3', 'a4', 'a5']);
  assert.deepEqual(begun, ['a1', 'a2', 'b1', 'a3', 'a4', 'a5']);
  const later = start('anna', 'a7');
  later.end();
  assert.equal(await later.result, 'a7');
});

test('what waits too long in the line is refused and leaves its place', async () => {
  const { begun, start } = setup({ atOnce: 1, inLine: 1, waitMs: 10 });
  const hanging = start('anna', 'a1');
  const second = start('anna', 'a2');
  await assert.rejects(second.result, { code: 'unavailable' });
  const third = start('anna', 'a3');
  hanging.end();
  third.end();
  assert.deepEqual([await hanging.result, await third.result], ['a1', 'a3']);
  assert.deepEqual(begun, ['a1', 'a3']);
});
