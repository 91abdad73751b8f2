import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const files = {
  'package.json': '{ "name": "tree", "type": "module", "workspaces": ["apps/*", "shared"] }',
  'apps/api/package.json': '{ "name": "api", "type": "module" }',
  'apps/api/src/main.ts': `import { used } from '../../../shared/src/used.ts';\nused();\n`,
  'shared/package.json': '{ "name": "shared", "type": "module" }',
  'shared/src/used.ts':
    'export function used() {}\nexport function untold() {}\n/** @internal */\nexport function told() {}\n',
  'shared/src/helper.ts': 'export function helper() {}\n',
  'shared/src/used.test.ts': `import { helper } from './helper.ts';\nimport { told, untold } from './used.ts';\nhelper(told, untold);\n`,
};

test('knip finds what ships for tests alone', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-knip-'));
  t.after(() => rmSync(dir, { recursive: true }));
  copyFileSync(join(root, 'knip.json'), join(dir, 'knip.json'));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text);
  }
  const knip = (...args: string[]) => {
    const options = ['--no-config-hints', '--reporter=compact', '--include=files,exports', ...args];
    return spawnSync(join(root, 'node_modules/.bin/knip'), options, { cwd: dir, encoding: 'utf8' }).stdout;
  };
  assert.equal(knip(), '');
  const found = knip('--production');
  assert.match(found, /shared\/src\/helper\.ts/);
  assert.match(found, /shared\/src\/used\.ts.*untold/);
  assert.doesNotMatch(found, /\btold\b/);
});
