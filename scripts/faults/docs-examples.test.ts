/** What the documentation adds as an example works as it stands: one file, one entry in a list. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { pipelineOf, post } from '../testing/client.ts';
import { cloneTree } from '../testing/clone.ts';
import { blocksOf, readPage } from '../testing/docs.ts';

const JOB_TYPE = { page: 'README.md', list: 'shared/src/jobs/catalog.ts' };
const EXAMPLES = [
  JOB_TYPE,
  { page: 'docs/internals/routes.md', list: 'apps/api/src/routes/catalog.ts' },
  { page: 'docs/internals/parts.md', list: 'shared/src/parts.ts' },
  { page: 'docs/internals/tools.md', list: 'shared/src/agents/tools/catalog.ts' },
];

/** Writes the example of a page into the file it names, and enters what it exports into a list. */
async function add(clone: string, { page, list }: (typeof EXAMPLES)[number]): Promise<void> {
  const example = blocksOf(readPage(page)).find(({ language }) => language === 'ts');
  const [, path = ''] = /file=(\S+)/.exec(example?.info ?? '') ?? [];
  const [, name = ''] = /export (?:const|function) (\w+)/.exec(example?.text ?? '') ?? [];
  await mkdir(dirname(join(clone, path)), { recursive: true });
  await writeFile(join(clone, path), example?.text ?? '');
  const listed = await readFile(join(clone, list), 'utf8');
  const imported = `import { ${name} } from './${relative(dirname(list), path)}';`;
  const entered = listed.replace(/^import /m, `${imported}\n$&`).replace(/,?\s*\];/, `, ${name}];`);
  await writeFile(join(clone, list), entered);
}

/** What looks at every job type there is; the rest of the suite knows those it tests by their names. */
const OF_ALL_JOB_TYPES = [
  'apps/api/src/openapi/openapi.test.ts',
  'apps/api/src/openapi/openapi-examples.test.ts',
  'scripts/testing/docs.test.ts',
  'shared/src/jobs/catalog/own-job-types.test.ts',
];

test('a job type that is added as the README says passes the checks and the tests as it stands', async (t) => {
  const clone = await cloneTree(t);
  await add(clone, JOB_TYPE);
  // A person enters the import and the name where the formatter wants them.
  await promisify(execFile)('npm', ['run', 'format'], { cwd: clone });
  await promisify(execFile)('npm', ['run', 'check'], { cwd: clone });
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  await promisify(execFile)('npm', ['test', '--', ...OF_ALL_JOB_TYPES], { cwd: clone, env });
});

test('a job type, a route, a part and a tool that are added as their pages say pass the checks, work, and are in the document', async (t) => {
  const clone = await cloneTree(t);
  for (const example of EXAMPLES) await add(clone, example);
  for (const script of ['format', 'check']) await promisify(execFile)('npm', ['run', script], { cwd: clone });

  const { npmStart }: typeof import('../testing/npm-start.ts') = await import(
    pathToFileURL(join(clone, 'scripts/testing/npm-start.ts')).href
  );
  const beanline = await npmStart('examples');
  t.after(() => beanline.endAll());
  await beanline.start();
  const { status, json } = await post(beanline.url, '/api/haiku', { about: 'queues' }, { Prefer: 'wait=30' });
  assert.deepEqual([status, json.type, json.status], [200, 'haiku.write', 'completed']);
  assert.match(json.output.poem, /queues/);
  assert.equal((await post(beanline.url, '/api/haiku', {})).json.errors[0].path, 'about');
  const shouted = await post(beanline.url, '/api/haiku', { about: 'QUEUES, QUEUES AND QUEUES EVERYWHERE' });
  assert.deepEqual([shouted.status, shouted.json.detail], [400, 'Please do not shout.']);
  const time = await fetch(`${beanline.url}/time`);
  assert.deepEqual([time.status, Object.keys((await time.json()) as object)], [200, ['now']]);
  const haiku = await fetch(`${beanline.url}/api/chat/tools/write_haiku`);
  assert.equal(((await haiku.json()) as { status: string }).status, 'available');
  const thrown = await post(beanline.url, '/api/chat/agentic', pipelineOf('dice'), { Prefer: 'wait=30' });
  assert.equal(thrown.json.status, 'completed', thrown.text);
  const [{ tool, result }] = thrown.json.output.results;
  assert.ok(tool === 'dice' && result.shown >= 1 && result.shown <= 6, thrown.text);
  const document = (await (await fetch(`${beanline.url}/openapi.json`)).json()) as { paths: Record<string, unknown> };
  for (const path of ['/api/haiku', '/time']) assert.ok(document.paths[path], path);
});
