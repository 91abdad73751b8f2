import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Store } from '../store.ts';
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

test('what a definition does not allow is told by the compiler', async () => {
  const schema = z.object({
    state: z.string(),
    at: z.number(),
    tags: z.array(z.string()),
    source: z.object({ name: z.string() }),
  });
  const rest = { name: 'typed', schema, retention: null } as const;
  const owned = defineCollection({ ...rest, indexes: [['state', 'at'], ['source.name']], owner: 'required' });
  const shared = defineCollection({ ...rest, indexes: [], owner: 'none' });
  // @ts-expect-error There is no such field.
  defineCollection({ ...rest, indexes: [['other']], owner: 'none' });
  // @ts-expect-error A list is no value of an index.
  defineCollection({ ...rest, indexes: [['tags']], owner: 'none' });
  const document = { state: 's', at: 1, tags: [], source: { name: 'n' } };
  const uses = (store: Store) => [
    () => store.collection(owned).put('owner', 'id', document),
    () => store.collection(shared).put('id', document),
    () => store.collection(owned).list('owner', { where: { 'source.name': 'n' }, limit: 1 }),
    // @ts-expect-error Without the owner.
    () => store.collection(owned).put('id', document),
    // @ts-expect-error With one.
    () => store.collection(shared).put('owner', 'id', document),
    // @ts-expect-error Not the document.
    () => store.collection(shared).put('id', { ...document, at: 'now' }),
    // @ts-expect-error No field to be found by.
    () => store.collection(shared).list({ by: 'tags', limit: 1 }),
  ];
  assert.equal(typeof uses, 'function');
});
