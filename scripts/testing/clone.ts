/** A copy of this tree, in which a test may add what the documentation says how to add. */
import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');
const LEFT_OUT = new Set(['node_modules', '.git', '.data']);
/** The workspaces are links of the tree's own: the copy must run its own code. */
const WORKSPACES = '@beanline';

/** The path of a copy with the modules that are installed here. It is removed after the test. */
export async function cloneTree(t: TestContext): Promise<string> {
  const clone = await mkdtemp(join(tmpdir(), 'beanline-clone-'));
  t.after(() => rm(clone, { recursive: true, force: true }));
  await cp(ROOT, clone, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  const [from, to] = [join(ROOT, 'node_modules'), join(clone, 'node_modules')];
  await mkdir(join(to, WORKSPACES), { recursive: true });
  for (const name of await readdir(from)) if (name !== WORKSPACES) await symlink(join(from, name), join(to, name));
  for (const name of await readdir(join(from, WORKSPACES)))
    await symlink(await readlink(join(from, WORKSPACES, name)), join(to, WORKSPACES, name));
  for (const nested of globSync(['*/node_modules', '*/*/node_modules'], { cwd: ROOT }))
    if (!nested.startsWith('node_modules')) await symlink(join(ROOT, nested), join(clone, nested));
  return clone;
}
