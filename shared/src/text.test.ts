import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { issueWords } from './text.ts';

/** A value that is not valid, and what is said of it. */
const told = (schema: z.ZodType, value: unknown) => {
  const { error } = schema.safeParse(value, { error: issueWords });
  return error?.issues.map(({ code, message }) => `${code}: ${message}`);
};

const shape = (name: string) => z.strictObject({ type: z.literal(name) });

/** Every kind of issue that zod has, by what it says. */
const kinds: [z.ZodType, unknown, string][] = [
  [z.object({ a: z.array(z.string()) }), {}, 'invalid_type: is required'],
  [z.object({ a: z.enum(['x', 'y']) }), {}, 'invalid_value: is required'],
  [z.object({ a: z.union([z.string(), z.number()]) }), {}, 'invalid_union: is required'],
  [z.string(), 1, 'invalid_type: must be a text'],
  [z.number(), '1', 'invalid_type: must be a number'],
  [z.number(), Number.NaN, 'invalid_type: must be a number'],
  [z.int(), 0.5, 'invalid_type: must be a whole number'],
  [z.bigint(), 1, 'invalid_type: must be a whole number'],
  [z.boolean(), 'true', 'invalid_type: must be true or false'],
  [z.array(z.string()), {}, 'invalid_type: must be a list'],
  [z.tuple([z.string()]), {}, 'invalid_type: must be a list'],
  [z.set(z.string()), [], 'invalid_type: must be a list'],
  [z.object({}), [], 'invalid_type: must be an object'],
  [z.record(z.string(), z.string()), [], 'invalid_type: must be an object'],
  [z.map(z.string(), z.string()), [], 'invalid_type: must be an object'],
  [z.null(), 1, 'invalid_type: must be null'],
  [z.date(), 'today', 'invalid_type: must be a time'],
  [z.file(), 'x', 'invalid_type: must be a file'],
  [z.never(), 1, 'invalid_type: is not taken here'],
  [z.symbol(), 1, 'invalid_type: must be of another type'],
  [z.number().min(2), 1, 'too_small: must be at least 2'],
  [z.number().gt(2), 2, 'too_small: must be more than 2'],
  [z.number().max(2), 3, 'too_big: must be at most 2'],
  [z.number().lt(2), 2, 'too_big: must be less than 2'],
  [z.int(), 2 ** 60, 'too_big: must be at most 9007199254740991'],
  [z.string().min(1), '', 'too_small: must not be empty'],
  [z.string().min(2), '', 'too_small: must have at least 2 characters'],
  [z.string().max(1), 'xx', 'too_big: must have at most 1 character'],
  [z.string().length(3), 'xx', 'too_small: must have exactly 3 characters'],
  [z.array(z.string()).min(1), [], 'too_small: must not be empty'],
  [z.array(z.string()).max(2), ['', '', ''], 'too_big: must have at most 2 items'],
  [z.set(z.string()).max(1), new Set(['a', 'b']), 'too_big: must have at most 1 item'],
  [z.iso.datetime(), 'x', 'invalid_format: must be a time such as 2026-01-31T12:00:00Z'],
  [z.iso.date(), 'x', 'invalid_format: must be a day such as 2026-01-31'],
  [z.iso.time(), 'x', 'invalid_format: must be a time of day such as 12:00:00'],
  [z.iso.duration(), 'x', 'invalid_format: must be a duration such as PT30S'],
  [z.url(), 'x', 'invalid_format: must be a URL'],
  [z.email(), 'x', 'invalid_format: must be an e-mail address'],
  [z.uuid(), 'x', 'invalid_format: must be of the format uuid'],
  [z.string().regex(/^a$/), 'x', 'invalid_format: must match /^a$/'],
  [z.string().startsWith('a'), 'x', 'invalid_format: must begin with "a"'],
  [z.string().endsWith('a'), 'x', 'invalid_format: must end with "a"'],
  [z.string().includes('a'), 'x', 'invalid_format: must contain "a"'],
  [z.string().lowercase(), 'X', 'invalid_format: must be in lowercase'],
  [z.templateLiteral(['a', z.number()]), 'x', 'invalid_format: does not have the form it must have'],
  [z.number().multipleOf(3), 4, 'not_multiple_of: must be a multiple of 3'],
  [z.literal('a'), 'b', 'invalid_value: must be "a"'],
  [z.enum(['a', 'b']), 'c', 'invalid_value: must be one of: a, b'],
  [z.strictObject({}), { a: 1 }, 'unrecognized_keys: unknown field'],
  [z.union([z.string(), z.array(z.string())]), 1, 'invalid_union: must be a text, or a list'],
  [z.union([z.enum(['a', 'b']), z.number()]), true, 'invalid_union: must be one of: a, b, or a number'],
  [z.union([shape('a'), shape('b')]), { type: 1 }, 'invalid_union: has none of the shapes it may have'],
  [z.discriminatedUnion('type', [shape('a'), shape('b')]), { type: 'c' }, 'invalid_union: must be one of: a, b'],
  [z.xor([z.string(), z.string()]), 'x', 'invalid_union: must have one of the shapes it may have, and has several'],
  [
    z.record(z.string().max(1), z.string()),
    { ab: '' },
    'invalid_key: has a name that is not allowed: it must have at most 1 character',
  ],
  [
    z.map(z.object({}), z.string()),
    new Map([[{}, 1]]),
    'invalid_element: has an item that is not allowed: it must be a text',
  ],
  [z.string().refine(() => false), 'x', 'custom: is not valid'],
];

describe('what is wrong with a value is said in our words:', () => {
  for (const [schema, value, words] of kinds) {
    test(words, () => {
      const first = told(schema, value)?.[0];
      assert.equal(first, words);
      assert.doesNotMatch(first ?? '', /Invalid|expected|received|Too |Unrecognized/);
    });
  }

  test('no kind of issue that zod has is left out', () => {
    const seen = new Set(kinds.map(([, , words]) => words.split(':')[0]));
    const all: Record<z.core.$ZodIssue['code'], true> = {
      invalid_type: true,
      too_big: true,
      too_small: true,
      invalid_format: true,
      not_multiple_of: true,
      unrecognized_keys: true,
      invalid_union: true,
      invalid_key: true,
      invalid_element: true,
      invalid_value: true,
      custom: true,
    };
    assert.deepEqual([...seen].sort(), Object.keys(all).sort());
  });
});

test("a schema's own words go before", () => {
  assert.deepEqual(told(z.string('must be a name'), 1), ['invalid_type: must be a name']);
  assert.deepEqual(told(z.string().regex(/a/, 'must have an a'), 'x'), ['invalid_format: must have an a']);
});
