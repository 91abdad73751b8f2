import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineCollection } from './collection.ts';

const sound = {
  name: 'sound',
  schema: z.object({ state: z.string(), at: z.number() }),
  indexes: [['state', 'at']],
  retention: { field: 'at', days: 1 },
  owner: 'required',
} as const;

test('a definition whose names could not be those of tables and indexes is refused', () => {
  assert.equal(defineCollection(sound).name, 'sound');
  const wrong = [
    ...['', 'Sound', 'a b', 'a__b', '_a', 'a_', 'ä', '1a', 'a;b', "a'b", 'x'.repeat(41)].map((name) => ({ name })),
    ...['', 'a b', "a'b", 'a.b.c', '$a', 'a.', '__proto__', 'a,b'].map((field) => ({ indexes: [[field]] })),
    { indexes: [[]] },
    { indexes: [['state', 'state']] },
    { indexes: [['a', 'b', 'c', 'd', 'e']] },
    ...[-1, Number.NaN].map((days) => ({ retention: { field: 'at', days } })),
    { retention: { field: 'a"b', days: 1 } },
  ];
  for (const part of wrong) {
    assert.throws(() => defineCollection({ ...sound, ...part } as never), TypeError, JSON.stringify(part));
  }
});
