import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createByteBudget } from './byte-budget.ts';

const setup = () => createByteBudget({ owner: 100, all: 250 });

test('an owner has room up to its bound, all together up to theirs, and who is alone for anything', () => {
  const budget = setup();
  assert.equal(budget.passes('anna', 1_000), null);
  const first = budget.hold('anna', 60);
  assert.equal(budget.passes('anna', 40), null);
  assert.equal(budget.passes('anna', 41), 'owner');
  // Nothing else of this owner, but of others.
  assert.equal(budget.passes('ben', 190), null);
  assert.equal(budget.passes('ben', 191), 'process');
  // What the asker holds himself does not stand in his own way.
  assert.equal(budget.passes('anna', 1_000, 60), null);
  first.release();
  assert.equal(budget.passes('ben', 1_000), null);
});

test('what is given back twice counts once, and what grows after that counts nothing', () => {
  const budget = setup();
  const held = budget.hold('anna', 10);
  held.grow(20);
  assert.equal(budget.bytes(), 30);
  held.release();
  held.release();
  held.grow(5);
  assert.equal(budget.bytes(), 0);
});

test('what several answers share counts once, until the last one has given it back', () => {
  const budget = setup();
  const [body, other] = [Buffer.alloc(80), Buffer.alloc(10)];
  const releases = [body, body, other].map((thing) => budget.share('anna', thing, thing.length));
  assert.equal(budget.bytes(), 90);
  releases[0]?.();
  releases[0]?.();
  assert.ok(budget.isShared(body));
  assert.equal(budget.bytes(), 90);
  releases[1]?.();
  assert.ok(!budget.isShared(body));
  assert.equal(budget.bytes(), 10);
  releases[2]?.();
  assert.equal(budget.bytes(), 0);
});
