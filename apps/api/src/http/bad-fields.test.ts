import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { collectProblems, invalid } from './bad-fields.ts';

const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 1]));

test('a hundred bad fields are named, and the others are counted, whatever they are', () => {
  for (const [schema, value] of [
    [z.strictObject({}), names(5_000)],
    [z.array(z.string()), Array(5_000).fill(1)],
    [z.record(z.string(), z.string()), names(5_000)],
    [z.union([z.array(z.string()), z.number()]), Array(5_000).fill(1)],
  ] as const) {
    const problems = collectProblems();
    assert.equal(problems.check(schema, value), null);
    const { fields = [], message } = problems.refusal();
    assert.equal(fields.length, 100);
    assert.match(message, /; and 4900 more$/);
  }
  assert.doesNotMatch(invalid({ path: 'a', message: 'is bad' }).message, /more/);
});

test('a name is named by its first 200 characters', () => {
  const { fields = [] } = invalid({ path: 'x'.repeat(5_000), message: 'unknown field' });
  assert.equal(fields[0]?.path.length, 200);
});

test('the bad field inside a value of several shapes is named', () => {
  const problems = collectProblems();
  problems.check(z.object({ a: z.union([z.string(), z.array(z.strictObject({ b: z.number() }))]) }), {
    a: [{ b: 1 }, { b: 'x', c: 1 }],
  });
  assert.deepEqual(problems.refusal().fields, [
    { path: 'a[1].b', message: 'must be a number' },
    { path: 'a[1].c', message: 'unknown field' },
  ]);
});

test('an unknown field of a name with a hint is told the hint', () => {
  const problems = collectProblems(new Map([['stream', 'unknown field: send a header']]));
  problems.check(z.strictObject({}), { stream: true, other: 1 });
  assert.deepEqual(
    problems.refusal().fields?.map(({ message }) => message),
    ['unknown field: send a header', 'unknown field'],
  );
});
