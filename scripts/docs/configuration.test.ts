import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configurationPage } from './configuration.ts';
import { variables } from './variables.ts';

test('docs/configuration.md is what the variables say of themselves: npm run docs', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  assert.equal(page, configurationPage());
});

test("the page's tables list exactly the variables there are, with their defaults", () => {
  const [page = ''] = configurationPage().split('## Elsewhere');
  const rows = [...page.matchAll(/^\|\s*`([A-Za-z]\w*)`\s*\|\s*(?:`([^`]*)`)?/gm)];
  const listed = new Map(rows.map(([, name = '', fallback = '']) => [name, fallback]));
  assert.equal(listed.size, rows.length, 'none twice');
  assert.deepEqual(
    [...listed],
    variables.map(({ name, fallback }) => [name, fallback]),
  );
});
