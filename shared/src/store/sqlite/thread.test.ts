import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** All that is loaded with a module; what is imported as a type only is not. */
function loadedWith(url: URL, seen = new Set<string>()): Set<string> {
  seen.add(url.href);
  for (const [, name = ''] of readFileSync(url, 'utf8').matchAll(
    /^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm,
  )) {
    const next = name.startsWith('.') ? new URL(name, url) : undefined;
    if (next === undefined) seen.add(name);
    else if (!seen.has(next.href)) loadedWith(next, seen);
  }
  return seen;
}

test('a thread of the store loads neither zod nor a feature', () => {
  const loaded = [...loadedWith(new URL('./thread.ts', import.meta.url))];
  assert.ok(loaded.includes('node:sqlite'), 'modules are followed');
  const packages = loaded.filter((name) => !name.startsWith('file:') && !name.startsWith('node:'));
  assert.deepEqual(packages.sort(), ['nanoid', 'unicode-case-folding']);
  const src = new URL('../../', import.meta.url).href;
  const outside = loaded.filter((name) => name.startsWith('file:') && !name.startsWith(`${src}store/`));
  assert.deepEqual(outside.map((name) => name.slice(src.length)).sort(), ['store.ts', 'task-id.ts']);
});
