import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLines } from './lines.ts';

type Named = { line: string; name: string; long?: boolean };

function setup(...names: string[]) {
  const lines = createLines<Named>();
  const add = (name: string) => lines.add({ line: name[0] ?? '', name });
  names.forEach(add);
  const next = (isReady: (work: Named) => boolean = () => true) => {
    const work = lines.first(isReady);
    if (work) lines.take(work);
    return work;
  };
  return { lines, add, next };
}

test('owners take turns, however many works each has, and the works of one keep their order', () => {
  const { next, add } = setup('a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'c2');
  const order = [next()?.name, next()?.name];
  add('d1');
  for (let work = next(); work; work = next()) order.push(work.name);
  assert.deepEqual(order, ['a1', 'b1', 'c1', 'a2', 'd1', 'c2', 'a3', 'a4']);
});

test('what goes on waits for the turn of its line, and goes before what came later to it', () => {
  const { lines, next } = setup('a1', 'a2', 'b1', 'b2');
  const first = next();
  if (first) lines.goOn(first);
  const order: (string | undefined)[] = [];
  for (let i = 0; i < 5; i++) order.push(next()?.name);
  assert.deepEqual(order, ['b1', 'a1', 'b2', 'a2', undefined]);
});

test('a line whose first work is not ready stands back, and keeps its turn', () => {
  const { next } = setup('a1', 'b1', 'c1');
  assert.equal(next(({ line }) => line !== 'a')?.name, 'b1');
  assert.equal(
    next(({ line }) => line === 'b'),
    undefined,
  );
  assert.equal(next()?.name, 'a1');
});
