/** The README and the pages of the API are true: their commands run, in their order, and print what the pages show. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { blocksOf, type Command, commandsOf, isShown, pages, ROOT, readPage, withIds } from '../testing/docs.ts';
import { npmStart } from '../testing/npm-start.ts';
import { openShell } from '../testing/shell.ts';

/** The first key closes the API to everybody without one: this page is the last. */
const LAST = 'docs/api/keys.md';
/** What the machine may have of its own: the pages show what is there without it. */
const NOTHING = {
  NODE_TEST_CONTEXT: undefined,
  REDIS_URL: undefined,
  API_KEYS: undefined,
  OPENAI_API_KEY: undefined,
  OPENAI_BASE_URL: undefined,
};
const DOCUMENTED = /(?:127\.0\.0\.1|localhost):3000/g;

const sessions = pages()
  .filter((path) => path === 'README.md' || path.startsWith('docs/api/'))
  .sort((a, b) => Number(a === LAST) - Number(b === LAST))
  .map((path) => {
    const blocks = blocksOf(readPage(path)).filter(({ language }) => language === 'console');
    return { path, commands: blocks.flatMap(commandsOf) };
  })
  .filter(({ commands }) => commands.length > 0);

describe('the commands of the README and of docs/api', async () => {
  const beanline = await npmStart('docs', NOTHING);
  const address = new URL(beanline.url).host;
  before(() => beanline.start());
  after(() => beanline.endAll());

  test('the pages name every route there is', async () => {
    const { paths } = (await (await fetch(`${beanline.url}/openapi.json`)).json()) as { paths: object };
    // Whatever a page calls an id.
    const said = pages()
      .map(readPage)
      .join('\n')
      .replaceAll(/(?<=\/)<\w+>/g, '<id>');
    const named = (path: string) => path.replaceAll(/\{\w+\}/g, '<id>').replace(/^\/api\/chat(?=\/)/, '');
    const unnamed = Object.keys(paths).filter((path) => !path.startsWith('/docs/') && !said.includes(named(path)));
    assert.deepEqual(unnamed, []);
  });

  for (const { path, commands } of sessions)
    test(`those of ${path} print what it shows`, async (t) => {
      const shell = openShell({
        cwd: ROOT,
        env: { ...process.env, ...NOTHING, no_proxy: '127.0.0.1', DATA_DIR: beanline.dataDir },
      });
      t.after(shell.close);
      const ids = new Map<string, string>();
      const run = ({ command }: Command) =>
        // It has been started already, and goes on.
        /^npm start\b/.test(command)
          ? { output: beanline.output(), code: 0 }
          : shell.run(withIds(command.replaceAll(DOCUMENTED, address), ids));
      for (const command of commands) {
        const { output, code } = await run(command);
        const printed = output.replaceAll(address, '127.0.0.1:3000');
        const says = `${path}:${command.line}: ${command.command}\nprinted (code ${code}):\n${printed}`;
        if (command.shown === '') assert.equal(code, 0, says);
        else assert.ok(isShown(command.shown, printed, ids), `${says}\nand not:\n${command.shown}`);
      }
    });
});
