/** The README's example of a job type works as it stands: one file, one entry in the catalog. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { post } from '../testing/client.ts';
import { cloneTree } from '../testing/clone.ts';
import { blocksOf, readPage } from '../testing/docs.ts';

const CATALOG = 'shared/src/jobs/catalog.ts';

test('a job type that is added as the README says passes the checks, has its route, and answers', async (t) => {
  const example = blocksOf(readPage('README.md')).find(({ language }) => language === 'ts');
  const [, path = ''] = /file=(\S+)/.exec(example?.info ?? '') ?? [];
  const [, name = ''] = /export const (\w+)/.exec(example?.text ?? '') ?? [];
  const clone = await cloneTree(t);
  await mkdir(dirname(join(clone, path)), { recursive: true });
  await writeFile(join(clone, path), example?.text ?? '');
  const catalog = await readFile(join(clone, CATALOG), 'utf8');
  const entered = catalog
    .replace(/^(import \{ sessionSummary)/m, `import { ${name} } from './haiku/haiku-write.ts';\n$1`)
    .replace(/^(const all: JobType\[\] = \[)(.*)\];/m, `$1$2, ${name}];`);
  await writeFile(join(clone, CATALOG), entered);
  await promisify(execFile)('npm', ['run', 'check'], { cwd: clone });

  const { npmStart }: typeof import('../testing/npm-start.ts') = await import(
    pathToFileURL(join(clone, 'scripts/testing/npm-start.ts')).href
  );
  const beanline = await npmStart('haiku');
  t.after(() => beanline.endAll());
  await beanline.start();
  const { status, json } = await post(beanline.url, '/api/haiku', { about: 'queues' }, { Prefer: 'wait=30' });
  assert.deepEqual([status, json.type, json.status], [200, 'haiku.write', 'completed']);
  assert.match(json.output.poem, /queues/);
  assert.equal((await post(beanline.url, '/api/haiku', {})).json.errors[0].path, 'about');
  const document = await (await fetch(`${beanline.url}/openapi.json`)).json();
  assert.ok((document as { paths: object }).paths['/api/haiku' as keyof object]);
});
