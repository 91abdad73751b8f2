/** The pages of the documentation hold together. That their commands work is tested in scripts/faults/docs.test.ts. */
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { toolsOf } from '@beanline/shared/agents/registry/directory.ts';
import type { Need } from '@beanline/shared/agents/tool.ts';
import { errorTable } from '@beanline/shared/errors.ts';
import { eventData } from '@beanline/shared/event-data.ts';
import { catalog } from '@beanline/shared/jobs/catalog.ts';
import { SubmitHeaders, SubmitOptions } from '../../apps/api/src/routes/submit/submit-request.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { blocksOf, commandsOf, isShown, pages, proofsOf, ROOT, readPage, withIds } from './docs.ts';

const README_LINES = 150;
const SHELLS = ['sh', 'bash', 'shell', 'console'];

/** What GitHub makes of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
const prose = (page: string) => page.replaceAll(/^```.*?^```$/gms, '');
const anchorsOf = (page: string) => [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => anchorOf(text));
const linksOf = (page: string) =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to).filter((to) => !/^[a-z]+:/.test(to));
/** The page that a link leads to, from the root, and the place in it. */
function targetOf(from: string, link: string): [string, string | undefined] {
  const [path = '', anchor] = link.split('#');
  return [path === '' ? from : normalize(join(dirname(from), path)), anchor];
}
/** The first cells of the rows of a page's tables. */
const rowsOf = (page: string) => [...page.matchAll(/^\| (.+?) *\|(.*)$/gm)];

test(`the README has at most ${README_LINES} lines`, () => {
  assert.ok(readPage('README.md').trimEnd().split('\n').length <= README_LINES);
});

test('every link between pages leads to a page and a heading that exist', () => {
  const broken = pages().flatMap((path) =>
    linksOf(readPage(path)).filter((link) => {
      const [target, anchor] = targetOf(path, link);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(readPage(target)).includes(anchor);
    }),
  );
  assert.deepEqual(broken, []);
});

test('every source file that a page names is there', () => {
  const files = globSync('**/*.{ts,lua}', { cwd: ROOT, exclude: ['**/node_modules'] }).map((path) => `/${path}`);
  const gone = pages().flatMap((path) =>
    [...readPage(path).matchAll(/`(?:node )?([\w./-]+\.(?:ts|lua))\b[^`]*`/g)]
      .map(([, name = '']) => name)
      .filter((name) => !files.some((file) => file.endsWith(`/${name}`)))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(gone, []);
});

test('every page is reached from the README', () => {
  const reached = new Set<string>();
  const visit = (path: string) => {
    if (reached.has(path) || !path.endsWith('.md')) return;
    reached.add(path);
    for (const link of linksOf(readPage(path))) visit(targetOf(path, link)[0]);
  };
  visit('README.md');
  assert.deepEqual(
    pages().filter((path) => !reached.has(path)),
    [],
  );
});

test('every block of commands is run, or names files that prove it', () => {
  for (const path of pages())
    for (const block of blocksOf(readPage(path)).filter(({ language }) => SHELLS.includes(language))) {
      const isRun = block.language === 'console' && (path === 'README.md' || path.startsWith('docs/api/'));
      const proofs = proofsOf(block);
      assert.notEqual(isRun, proofs.length > 0, `${path}:${block.line}`);
      if (isRun) assert.ok(commandsOf(block).length > 0, `${path}:${block.line}`);
      for (const proof of proofs) assert.ok(existsSync(join(ROOT, proof)), `${path}:${block.line}: ${proof}`);
    }
});

test('every npm script that a page names is there', () => {
  const names = new Set(Object.keys(packageJson.scripts));
  for (const path of pages())
    for (const [said, name = ''] of readPage(path).matchAll(/npm run (?:-s )?([a-z][a-z:]*)/g))
      assert.ok(names.has(name), `${path}: ${said}`);
});

test('the page of errors lists exactly the codes there are, with their status and whether the queue tries again', () => {
  const listed = rowsOf(readPage('docs/api/errors.md')).flatMap(([, cell = '', rest = '']) => {
    const code = /^`(\w+)`$/.exec(cell)?.[1];
    const [status = '', again = ''] = rest.split('|').map((text) => text.trim());
    return code === undefined ? [] : [[code, Number(status), again.startsWith('yes')] as const];
  });
  assert.deepEqual(
    listed.toSorted(),
    Object.entries(errorTable)
      .map(([code, { status, retry }]) => [code, status, retry] as const)
      .toSorted(),
  );
});

test('the page of events names every event there is, and the page of submits every job type, option and header', () => {
  const submit = readPage('docs/api/submit.md');
  for (const name of [...Object.keys(SubmitOptions.shape), ...Object.keys(SubmitHeaders.shape)])
    assert.match(submit, new RegExp(`\`${name}[:=\`]`), name);
  for (const type of Object.keys(eventData)) assert.ok(readPage('docs/api/events.md').includes(`\`${type}\``), type);
  // The example of the README, where somebody has added it, is told of there.
  const isExample = (name: string) => readPage('README.md').includes(`  name: '${name}'`);
  for (const name of catalog.keys()) assert.ok(submit.includes(`| \`${name}\``) || isExample(name), name);
});

test('the page of tools lists every tool there is, with the intents it serves and what it needs', () => {
  const listed = rowsOf(readPage('docs/api/agents-tools.md')).flatMap(([, cell = '', rest = '']) => {
    const name = /^`(\w+)`$/.exec(cell)?.[1];
    const [, serves = '', needs = ''] = rest.split('|').map((text) => text.trim());
    return name === undefined || serves === '' ? [] : [`${name} | ${serves} | ${needs.replace(' and ', ', ')}`];
  });
  // The examples of its page and of the README, where somebody has added them, are told of there.
  const told = readPage('docs/internals/tools.md') + readPage('README.md');
  const isExample = (name: string) => told.includes(` name: '${name}'`);
  const rows = toolsOf(catalog.values()).rows.filter(({ name }) => !isExample(name));
  const needsOf = (needs: readonly Need[]) =>
    needs.map((need) => `\`${'key' in need ? need.key : need.part}\``).join(', ');
  assert.deepEqual(
    listed,
    rows.map(({ name, intents, needs }) => `${name} | ${intents.join(', ')} | ${needsOf(needs)}`),
  );
});

describe('what a page shows is compared with what its command prints', () => {
  const shown = '{"task_id":"task_1","at":"2026-11-30T06:08:05Z",…,"output":{…}}';
  const printed = (id: string, output = '{}') =>
    `{"task_id":"${id}","at":"2027-01-01T00:00:00.123Z","n":1,"output":${output}}\n`;

  test('times are any time, `…` is anything, and an id is learnt for the commands that follow', () => {
    const ids = new Map<string, string>();
    assert.ok(isShown(shown, printed('task_9'), ids));
    assert.equal(withIds('curl localhost/tasks/task_1/events', ids), 'curl localhost/tasks/task_9/events');
  });
  test('another id than before is not what is shown', () => {
    assert.ok(!isShown(shown, printed('task_8'), new Map([['task_1', 'task_9']])));
  });
  test('anything else that differs is not what is shown', () => {
    assert.ok(!isShown(shown, printed('sess_9'), new Map()));
    assert.ok(!isShown(shown, printed('task_9', 'null'), new Map()));
    assert.ok(!isShown('one', 'one\ntwo', new Map()));
  });
  test('a line of `…` is any lines, none of them too', () => {
    for (const between of ['', 'one\n', 'one\ntwo\n'])
      assert.ok(isShown('first\n…\nlast\n…', `first\n${between}last`, new Map()), between);
  });
});
