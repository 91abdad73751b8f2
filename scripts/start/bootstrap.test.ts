import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from './free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NEEDED = ['package.json', 'package-lock.json', '{apps,workers}/*/package.json', 'shared/package.json'];

/** What a fresh clone has of what npm and the script look at. */
function freshClone(t: TestContext): string {
  const clone = mkdtempSync(join(tmpdir(), 'beanline-bootstrap-'));
  t.after(() => rmSync(clone, { recursive: true, force: true }));
  for (const file of globSync([...NEEDED, 'scripts/bootstrap.mjs'], { cwd: ROOT }))
    cpSync(join(ROOT, file), join(clone, file), { recursive: true });
  return clone;
}

test('without the internet a line says so first, and the last one what to do', async (t) => {
  const clone = freshClone(t);
  const registry = `http://127.0.0.1:${await freePort()}/`;
  const cache = join(clone, 'cache');
  const child = spawn(process.execPath, [join(clone, 'scripts/bootstrap.mjs')], {
    env: { PATH: process.env.PATH, HOME: clone, npm_config_registry: registry, npm_config_cache: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  const [code] = await once(child, 'close');
  assert.equal(code, 1, text);
  const lines = text.trim().split('\n');
  assert.match(lines[0] ?? '', /^beanline: installing dependencies/);
  assert.ok(lines[1]?.startsWith(`beanline: npm cannot reach ${registry} (ECONNREFUSED): connect this machine`), text);
  assert.match(lines.at(-1) ?? '', /^beanline: npm cannot reach .*run the same again$/);
  assert.doesNotMatch(text, /^\s+at /m);
});
