/** The contract of docs/internals/stored-nouns.md: what it shows is run, as it stands there. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Store } from '../../store.ts';
import type { Pair } from './samples.ts';

const GUIDE = new URL('../../../../docs/internals/stored-nouns.md', import.meta.url);
/** Where the guide's file would be. */
const PLACE = new URL('../../prompts/prompts.ts', import.meta.url);

type Guide = { use(store: Store): Promise<Record<string, unknown>> };

async function guide(directory: string): Promise<Guide> {
  const [declaration = '', use = ''] = [...(await readFile(GUIDE, 'utf8')).matchAll(/```ts\n(.*?)```/gs)].map(
    ([, code]) => code,
  );
  const resolved = declaration.replace(/ from '(.+)'/g, (_, name: string) => {
    const address = name.startsWith('.') ? new URL(name, PLACE).href : import.meta.resolve(name);
    return ` from '${address}'`;
  });
  const names = [...use.matchAll(/^const (?:(\w+)|\{ (.+) \}) =/gm)].map(([, one, some]) => one ?? some);
  const file = join(directory, 'prompts.ts');
  await writeFile(
    file,
    `${resolved}\nexport async function use(store) {\n${use}\nreturn { ${names.join(', ')} };\n}\n`,
  );
  return import(pathToFileURL(file).href);
}

export function storedNounContract(stores: () => Pair) {
  test('a stored noun is added in one file, exactly as the guide shows', async (t) => {
    const { one, two } = stores();
    const directory = await mkdtemp(join(tmpdir(), 'beanline-noun-'));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const { use } = await guide(directory);
    const beans = { title: 'Beans', text: 'Which beans are green?', state: 'public', used_at: 1_000 };
    const peas = { title: 'Peas', text: 'Are peas round?', state: 'public', used_at: 2_000 };
    for (const store of [one, two]) {
      const { inserted, document, found, next, rest, count, prompt, deleted } = await use(store);
      assert.deepEqual([inserted, document], [false, peas]);
      assert.deepEqual(found, [{ id: 'peas', document: peas }]);
      assert.equal(typeof next, 'string');
      assert.deepEqual(rest, { found: [{ id: 'beans', document: beans }], next: null });
      assert.equal(count, 1);
      assert.deepEqual(prompt, beans);
      assert.equal(deleted, true);
    }
  });
}
