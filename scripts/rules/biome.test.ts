import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const lines = (count: number) => Array.from({ length: count }, (_, index) => `  console.log(${index});`).join('\n');
const long = `export function long() {\n${lines(101)}\n}\n`;
const environment = 'export const home = process.env.HOME;\n';

/** The rule that a file breaks, if it does. */
const files: [file: string, text: string, rule?: string][] = [
  ['shared/src/queue/environment.ts', environment, 'noProcessEnv'],
  ['shared/src/config.ts', environment, 'noProcessEnv'],
  ['apps/api/src/environment.ts', environment, 'noProcessEnv'],
  ['apps/api/src/main.ts', environment],
  ['scripts/start/environment.ts', environment],
  ['shared/src/queue/long.ts', long, 'noExcessiveLinesPerFunction'],
  ['scripts/start/long.ts', long, 'noExcessiveLinesPerFunction'],
  ['shared/src/queue/long.test.ts', long],
  ['shared/src/queue/file.ts', `${lines(251)}\n`, 'noExcessiveLinesPerFile'],
  ['shared/src/store/contract/file.ts', `${lines(251)}\n`],
  ['shared/src/queue/any.ts', 'export const what = (value: any) => value;\n', 'noExplicitAny'],
  ['shared/src/agents/tools/page.ts', `export const page = (url: string) => fetch(url);\n`, 'noRestrictedGlobals'],
  ['shared/src/agents/tools/given.ts', `export const page = (fetch: (url: string) => string) => fetch('a');\n`],
  ['shared/src/agents/tools/page.test.ts', `export const page = (url: string) => fetch(url);\n`],
  ['shared/src/queue/default.ts', 'export default 1;\n', 'noDefaultExport'],
  ['shared/src/queue/barrel.ts', `export * from './long.ts';\n`, 'noReExportAll'],
];

test('biome finds long functions and files, and who else reads the environment or fetches', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-rules-'));
  t.after(() => rmSync(dir, { recursive: true }));
  copyFileSync(join(root, 'biome.json'), join(dir, 'biome.json'));
  for (const [file, text] of files) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text);
  }
  const { stdout } = spawnSync(
    join(root, 'node_modules/.bin/biome'),
    ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--reporter=json', '.'],
    { cwd: dir, encoding: 'utf8' },
  );
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
  const found = diagnostics.map(({ category, location }) => `${location.path} ${category.split('/').at(-1)}`);
  for (const [file, , rule] of files) {
    const of = found.filter((finding) => finding.startsWith(`${file} `));
    if (rule) assert.ok(of.includes(`${file} ${rule}`), `${file}: ${of.join(', ') || 'nothing was found'}`);
    else assert.deepEqual(of, []);
  }
});
