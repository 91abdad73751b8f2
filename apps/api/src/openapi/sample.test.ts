import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { sampleOf } from './sample.ts';

test('a sample has what is required and nothing else, and the schema takes it', () => {
  const inner = z.strictObject({ id: z.string().min(1).max(3) }).meta({ id: 'SampleInner' });
  const schema = z.strictObject({
    about: z.string().min(1),
    long: z.string().min(8),
    count: z.int().min(3),
    share: z.number().max(0.5),
    flag: z.boolean(),
    kind: z.enum(['a', 'b']),
    fixed: z.literal(7),
    list: z.array(inner).min(2),
    empty: z.array(inner),
    either: z.union([z.string(), z.number()]),
    none: z.null(),
    named: z.string().meta({ examples: ['as said'] }),
    low: z.string().default('x'),
    later: z.string().optional(),
    at: z.iso.datetime().optional(),
  });
  assert.deepEqual(sampleOf(schema), {
    about: 'text',
    long: 'text....',
    count: 3,
    share: 0.5,
    flag: false,
    kind: 'a',
    fixed: 7,
    list: [{ id: 'tex' }, { id: 'tex' }],
    empty: [],
    either: 'text',
    none: null,
    named: 'as said',
  });
});

test('where no value is found there is no sample', () => {
  assert.equal(sampleOf(z.string().refine((text) => text === 'secret')), undefined);
  assert.equal(sampleOf(z.string().regex(/^\d+$/)), undefined);
});
