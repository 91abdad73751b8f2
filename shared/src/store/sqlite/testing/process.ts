/** For the tests of the SQLite store: files of its own, and other processes that use them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import type { Store } from '../../../store.ts';
import { sqliteStore } from '../store.ts';

const root = await mkdtemp(join(tmpdir(), 'beanline-store-'));
await chmod(root, 0o755);
const children = new Set<ChildProcess>();
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(root, { recursive: true, force: true });
});
let files = 0;
/** In a directory that is not there yet. */
export const someFile = () => join(root, String(files++), 'store.db');
export const open = (file = someFile(), timeoutMs = 30_000) => sqliteStore({ file, timeoutMs });

/** Another process that runs this code, with `store`, `samples`, `notes` and `say`, and takes lines; `at('…')` is the address of a module. Gives what it says, line by line. */
export function startProcess(file: string, code: string, options: { under?: string[]; timeoutMs?: number } = {}) {
  const at = (name: string) =>
    JSON.stringify(name.startsWith('.') ? new URL(name, import.meta.url).href : import.meta.resolve(name));
  const program = `
    import { createInterface } from 'node:readline';
    const samples = await import(${at('../../contract/samples.ts')});
    const { notes } = await import(${at('../../contract/notes.ts')});
    const { sqliteStore } = await import(${at('../store.ts')});
    const store = sqliteStore({ file: ${JSON.stringify(file)}, timeoutMs: ${options.timeoutMs ?? 30_000} });
    const say = (text) => process.stdout.write(text + '\\n');
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    ${code.replace(/\bat\('([^']+)'\)/g, (_, name) => at(name))}
  `;
  const [command = '', ...given] = [...(options.under ?? []), process.execPath, '--input-type=module', '-e', program];
  const child: ChildProcess = spawn(command, given, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const exited = once(child, 'exit').then(() => children.delete(child));
  const said = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    child,
    exited,
    async next(): Promise<string> {
      const { value, done } = await said.next();
      assert.ok(!done, 'the other process ended');
      return value;
    },
    tell: (line: string) => child.stdin?.write(`${line}\n`),
  };
}

/** Resolves when the threads of a store have started, which may take longer than a call of it may. */
export async function started(store: Store): Promise<Store> {
  const until = performance.now() + 60_000;
  while (true) {
    try {
      await store.ping();
      return store;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
  }
}
