import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { defineJobType, type JobType } from '../../job-type.ts';
import { catalog, openCatalog } from '../catalog.ts';
import { problemsOf } from './check-job-types.ts';
import { JobTypesError } from './own-job-types.ts';

/** A folder outside of this tree, with these files. */
async function folderOf(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'beanline-jobs-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const HEAD = `import { z } from 'zod';
import { defineJobType } from '@beanline/shared/job-type.ts';
`;
const fields: Record<string, string> = {
  name: `'verse.write'`,
  route: `'/api/verse'`,
  concurrency: '1',
  attempts: '1',
  timeoutMs: '1_000',
  input: 'z.strictObject({ about: z.string() })',
  output: 'z.object({ poem: z.string() })',
  run: `async ({ about }) => ({ poem: about })`,
};
/** A file of one job type, a field a line, from the fourth line on. */
const fileOf = (changed: Record<string, string | undefined> = {}) =>
  `${HEAD}export const haiku = defineJobType({\n${Object.entries({ ...fields, ...changed })
    .map(([field, value]) => (value === undefined ? '' : `  ${field}: ${value},\n`))
    .join('')}});\n`;
/** One that is a tool. */
const toolOf = (changed: Record<string, string>) => {
  const tool = {
    name: `'write_verse'`,
    title: `{ en: 'Verse' }`,
    description: `'Writes.'`,
    intents: `['chat']`,
    ...changed,
  };
  const text = Object.entries(tool).map(([field, value]) => `${field}: ${value}`);
  return fileOf({ asTool: `{ ${text.join(', ')} }` });
};
const lineOf = (field: string) => [...Object.keys(fields), 'asTool'].indexOf(field) + 4;

const run = (type: JobType | undefined) => type?.run({ about: 'beans' }, {} as never);

async function refusal(folder: string): Promise<string[]> {
  const error = await openCatalog({ JOBS_DIR: folder }).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof JobTypesError, String(error));
  const [title, ...problems] = error.message.split('\n');
  assert.equal(title, 'The job types of JOBS_DIR are not valid:');
  return problems.map((line) => line.trim());
}

test('without a folder there are those that are built in', async () => {
  assert.equal(await openCatalog({}), catalog);
});

test('a file in a folder anywhere adds its job types, in TypeScript or JavaScript, with our zod and packages of its own', async (t) => {
  const folder = await folderOf(t, {
    'haiku.ts': fileOf({ run: `async ({ about }: { about: string }) => ({ poem: about })` }),
    'rhyme.js': `${HEAD}import { rhyme } from 'rhymes';
import { twice } from './lib/twice.ts';
const base = { concurrency: 1, attempts: 1, timeoutMs: 1000, input: z.strictObject({ about: z.string() }) };
const output = z.object({ poem: z.string() });
export const one = defineJobType({ ...base, output, name: 'rhyme.one', run: async ({ about }) => ({ poem: rhyme(about) }) });
export const two = defineJobType({ ...base, output, name: 'rhyme.two', run: async ({ about }) => ({ poem: twice(about) }) });
export const words = ['no', 'job', 'type'];
`,
    'lib/twice.ts': `import { z } from 'zod';
export const twice = (text: string): string => z.string().parse(text).repeat(2);
`,
    'node_modules/rhymes/package.json': '{ "name": "rhymes", "exports": "./index.js" }',
    'node_modules/rhymes/index.js': 'exports.rhyme = (text) => text.concat(", greens");',
    'haiku.test.ts': 'throw new Error("a test is no job type");',
    'types.d.ts': 'export type Words = string[];',
    '.config.js': 'throw new Error("a hidden file is no job type");',
    'package.json': '{}',
    'README.md': '# Mine',
  });
  const mine = await openCatalog({ JOBS_DIR: folder });
  assert.deepEqual([...mine.keys()], [...catalog.keys(), 'verse.write', 'rhyme.one', 'rhyme.two']);
  assert.ok(mine.get('verse.write')?.input instanceof z.ZodObject, 'of our zod');
  assert.equal(mine.get('verse.write')?.version, 1, 'what defineJobType fills in is there');
  assert.deepEqual(await run(mine.get('verse.write')), { poem: 'beans' });
  assert.deepEqual(await run(mine.get('rhyme.one')), { poem: 'beans, greens' });
  assert.deepEqual(await run(mine.get('rhyme.two')), { poem: 'beansbeans' });
});

test('a folder by way of a link, below node_modules and of CommonJS packages is no other', async (t) => {
  const folder = await folderOf(t, {
    'node_modules/mine/jobs/haiku.js': fileOf(),
    'node_modules/mine/package.json': '{ "type": "commonjs" }',
  });
  await symlink(join(folder, 'node_modules/mine/jobs'), join(folder, 'link'));
  assert.ok((await openCatalog({ JOBS_DIR: join(folder, 'link') })).has('verse.write'));
});

test('a folder that is not there is named', async () => {
  assert.match((await refusal('/nowhere/jobs'))[0] ?? '', /^JOBS_DIR: \/nowhere\/jobs cannot be read: ENOENT/);
});

/** What is wrong with a file, where, and what is said of it. */
const broken: [string, string, number, RegExp][] = [
  ['broken.ts', `${HEAD}export const a = defineJobType({{ name: ;`, 3, /Unexpected token|Expression expected/],
  ['broken.js', `${HEAD}export const a = defineJobType({{ name: ;`, 3, /Unexpected token/],
  ['enum.ts', `${HEAD}\nenum Kind { A }`, 4, /enum is not supported/],
  ['throws.ts', `${HEAD}\n\nz.string().parse(1);`, 5, /expected string/],
  ['common.js', `const { z } = require('zod');`, 1, /require is not defined/],
  ['package.ts', `${HEAD}import OpenAI from 'no-such-sdk';`, 3, /Cannot find package 'no-such-sdk': npm install it/],
  ['helper.ts', `\nimport { help } from './lib/help.ts';`, 2, /Cannot find module .*help\.ts/],
  ['ours.ts', `import { x } from '@beanline/shared/nothing.ts';`, 1, /Cannot find module .*nothing\.ts/],
  ['misspelt.ts', `import { defineJob } from '@beanline/shared/job-type.ts';`, 1, /export named 'defineJob'/],
  ['nothing.ts', `${HEAD}export const input = z.strictObject({});`, 1, /exports no job type: export const/],
  ['default.ts', `${HEAD}export default 1;`, 1, /exports no job type/],
  ['name.ts', fileOf({ name: `'Haiku'` }), lineOf('name'), /name: must be lower-case words joined by dots/],
  ['no-name.ts', fileOf({ name: 'undefined as never' }), lineOf('name'), /name: must be/],
  ['route.ts', fileOf({ route: `'haiku'` }), lineOf('route'), /route: must begin with \/api\//],
  ['taken.ts', fileOf({ route: `'/api/chat'` }), lineOf('route'), /\/api\/chat is the route of chat.request already/],
  ['reserved.ts', fileOf({ route: `'/api/chat/sessions/x'` }), lineOf('route'), /routes of its own there/],
  ['chat.ts', fileOf({ name: `'chat.request'` }), lineOf('name'), /there is a job type chat.request already/],
  ['attempts.js', fileOf({ attempts: '0' }), lineOf('attempts'), /attempts: must be a whole number from 1 to 100/],
  ['timeout.js', fileOf({ timeoutMs: undefined }), 3, /timeoutMs: must be a whole number from 100/],
  ['run.js', fileOf({ run: `'later'` }), lineOf('run'), /run: must be a function/],
  ['no-schema.js', fileOf({ input: '{ about: String }' }), lineOf('input'), /input: must be a schema of zod/],
  ['loose.ts', fileOf({ input: 'z.object({ about: z.string() })' }), lineOf('input'), /must be a z.strictObject/],
  ['text.js', fileOf({ input: 'z.string()' }), lineOf('input'), /must be a z.strictObject/],
  ['date.js', fileOf({ input: 'z.strictObject({ at: z.date() })' }), lineOf('input'), /must be JSON: Date cannot/],
  ['option.js', fileOf({ input: 'z.strictObject({ priority: z.int() })' }), lineOf('input'), /the field priority/],
  ['map.js', fileOf({ output: 'z.map(z.string(), z.int())' }), lineOf('output'), /must be JSON: Map cannot/],
  [
    'tool-name.ts',
    toolOf({ name: `'Write'` }),
    lineOf('asTool'),
    /asTool: name must be lower-case words joined by underscores/,
  ],
  ['tool-taken.ts', toolOf({ name: `'calculator'` }), lineOf('asTool'), /asTool: there is a tool calculator already/],
  ['tool-title.ts', toolOf({ title: '{} as never' }), lineOf('asTool'), /asTool: title must have a text in English/],
  ['tool-text.js', toolOf({ description: `' '` }), lineOf('asTool'), /asTool: description must say what it does/],
  ['tool-intent.js', toolOf({ intents: `['poetry']` }), lineOf('asTool'), /asTool: intents must be some of: chat, rag/],
  [
    'tool-needs.js',
    toolOf({ needs: `[{ key: 'HOME' }]` }),
    lineOf('asTool'),
    /asTool: needs: the variable of a key must end in _KEY/,
  ],
  ['tool-input.js', toolOf({ input: 'z.string()' }), lineOf('asTool'), /asTool: input must be a z.strictObject/],
  [
    'tool-date.js',
    toolOf({ input: 'z.strictObject({ at: z.date() })' }),
    lineOf('asTool'),
    /asTool: input must be JSON/,
  ],
  [
    'tool-options.js',
    toolOf({ options: 'z.strictObject({ top_k: z.string() })' }),
    lineOf('asTool'),
    /top_k is an option of rag in/,
  ],
  ['plain.js', `export const plain = { name: 'a.b', input: 1 };`, 1, /version: must be a whole number/],
];

for (const [name, text, line, said] of broken)
  test(`a file that is broken is told with its name, its line and what is wrong: ${name}`, async (t) => {
    const folder = await folderOf(t, { [name]: text });
    const problems = await refusal(folder);
    const told = problems.filter((problem) => problem.startsWith(`${join(folder, name)}:${line}: `));
    assert.ok(
      told.some((problem) => said.test(problem)),
      problems.join('\n'),
    );
  });

test('one that a helper breaks is told with the name of the helper', async (t) => {
  const folder = await folderOf(t, {
    'haiku.ts': `import './lib/help.ts';\n${fileOf()}`,
    'lib/help.ts': '\n\nthrow new Error("no dictionary");',
  });
  assert.deepEqual(await refusal(folder), [`${join(folder, 'lib/help.ts')}:3: no dictionary`]);
});

test('everything that is wrong is told at once, two files of one name or route among it', async (t) => {
  const folder = await folderOf(t, {
    'a.ts': fileOf(),
    'b.ts': fileOf(),
    'c.ts': `${HEAD}enum Kind { A }`,
  });
  assert.deepEqual(await refusal(folder), [
    `${join(folder, 'c.ts')}:3: TypeScript enum is not supported in strip-only mode`,
    `${join(folder, 'b.ts')}:${lineOf('name')}: name: there is a job type verse.write already`,
    `${join(folder, 'b.ts')}:${lineOf('route')}: route: /api/verse is the route of verse.write already`,
  ]);
});

test('those that are built in pass the same check, and names that only look different do not', () => {
  assert.deepEqual(problemsOf([...catalog.values()]), []);
  const named = (name: string) =>
    defineJobType({
      name,
      concurrency: 1,
      attempts: 1,
      timeoutMs: 1_000,
      input: z.strictObject({}),
      output: z.object({}),
      run: async () => ({}),
    });
  const problems = problemsOf([named('a.b.c'), named('a.b-c')]);
  assert.deepEqual(
    problems.map(({ message }) => message),
    ['there is a job type a.b.c already'],
  );
});
