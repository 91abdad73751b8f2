/** `tool_options`: each key belongs to the tools that declare it, and nobody else takes it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineTool } from '../tool.ts';
import { toolsOf } from './directory.ts';
import { optionProblems, optionsOf } from './options.ts';

const toolWith = (name: string, shape: z.ZodRawShape) =>
  defineTool({
    ...{ name, title: { en: name, ko: name }, description: name, intents: ['chat'], priority: 1, effect: 'none' },
    ...{ input: z.strictObject({}), output: z.object({}), run: async () => ({}) },
    options: z.strictObject(shape),
  });
const limit = z.int().min(1).max(9);
const one = toolWith('one', { limit, tone: z.enum(['warm', 'cold']).default('warm') });
const two = toolWith('two', { limit: limit.optional(), deep: z.strictObject({ by: z.string() }).optional() });

test('a key that no tool declares, and a value that its tool does not take, are named', () => {
  const problems = optionProblems({ limit: 0, deep: { by: 5 }, shape: 1, constructor: 1, ['__proto__']: 2 }, [
    one,
    two,
  ]);
  assert.deepEqual(problems, [
    { path: 'limit', message: 'must be at least 1' },
    { path: 'deep.by', message: 'must be a text' },
    { path: 'shape', message: 'is an option of no tool' },
    { path: 'constructor', message: 'is an option of no tool' },
    { path: '__proto__', message: 'is an option of no tool' },
  ]);
  assert.deepEqual(optionProblems({ limit: 3, tone: 'cold' }, [one, two]), []);
});

test('each tool gets those that are its own, and what it says of those that are missing', () => {
  const given = { limit: 3, deep: { by: 'x' } };
  assert.deepEqual(optionsOf(one, given), { limit: 3, tone: 'warm' });
  assert.deepEqual(optionsOf(two, given), given);
});

test('an option that several tools of ours take has one form', () => {
  const { rows } = toolsOf([]);
  const forms = new Map<string, Set<string>>();
  for (const { options } of rows)
    for (const [key, schema] of Object.entries(options.shape))
      forms.set(key, (forms.get(key) ?? new Set()).add(JSON.stringify(z.toJSONSchema(schema as z.ZodType))));
  assert.ok(forms.size >= 13);
  for (const [key, of] of forms) assert.equal(of.size, 1, key);
});
