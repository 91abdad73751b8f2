/** A job type of one's own, in a folder outside of the tree: the example of its page, run by the whole system. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { followToEnd, getTask, pipelineOf, post, visibleText } from '../testing/client.ts';
import { blocksOf, ROOT, readPage } from '../testing/docs.ts';
import { npmStart } from '../testing/npm-start.ts';
import { INHERITED } from '../testing/system.ts';

const PAGE = 'docs/job-types.md';
const MAINS = ['apps/api/src/main.ts', 'workers/runner/src/main.ts', 'workers/relay/src/main.ts'];
const LETTER = { letter: 'When does the shop open? It is closed on Monday.' };

/** A folder with the files of the page. */
async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'beanline-jobs-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const { info, text } of blocksOf(readPage(PAGE))) {
    const [, file] = /file=(\S+)/.exec(info) ?? [];
    if (file) await writeFile(join(folder, file), text.replaceAll('/path/to/beanline', ROOT));
  }
  return folder;
}

test('a compiler finds the types of a job type of one’s own by the tsconfig.json of the page', async (t) => {
  const folder = await folderOf(t);
  const check = () => promisify(execFile)('tsc', ['--noEmit', '-p', folder]);
  await check();
  await writeFile(
    join(folder, 'wrong.ts'),
    `import { defineJobType } from '@beanline/shared/job-type.ts';\ndefineJobType({ name: 1 });\n`,
  );
  await assert.rejects(check(), { stdout: /wrong\.ts\(2,\d+\): error TS2322/ });
});

test('the example of the page is submitted at its route and at /tasks, streams, and is in the document as one that is built in', async (t) => {
  const beanline = await npmStart('jobs', { JOBS_DIR: await folderOf(t) });
  t.after(() => beanline.endAll());
  await beanline.start();
  assert.match(
    beanline.output(),
    /jobs +letter\.send \(POST \/api\/letters\), reply\.draft \(POST \/api\/reply\), shop\.hours, shop\.talk \(POST \/api\/talk\), of /,
  );
  const { url } = beanline;

  const { status, json } = await post(url, '/api/reply', { ...LETTER, metadata: { from: 'test' } });
  assert.deepEqual([status, json.type], [202, 'reply.draft']);
  const seen = await followToEnd(url, json.task_id);
  const done = seen.at(-1)?.data;
  assert.equal(done.status, 'completed');
  assert.match(done.output.reply, /closed on Monday/);
  assert.equal(visibleText(seen), done.output.reply);

  const waited = await post(url, '/tasks', { type: 'reply.draft', input: LETTER }, { Prefer: 'wait=30' });
  assert.deepEqual([waited.status, waited.json.output], [200, done.output]);
  const refused = await post(url, '/api/reply', { lettre: 'x', tone: 'cold' });
  assert.deepEqual(
    [refused.status, refused.json.errors.map(({ path }: { path: string }) => path)],
    [400, ['letter', 'tone', 'lettre']],
  );

  const agent = await post(url, '/api/chat/agentic', pipelineOf('shop_hours'), { Prefer: 'wait=30' });
  assert.deepEqual(agent.json.output?.results[0].result, { hours: 'closed' }, agent.text);

  // biome-ignore lint/suspicious/noExplicitAny: the test looks into whatever the document holds
  const document: any = await (await fetch(`${url}/openapi.json`)).json();
  const body = document.paths['/api/reply'].post.requestBody.content['application/json'];
  assert.deepEqual(body.example, LETTER);
  const { properties } = document.components.schemas[body.schema.$ref.split('/').at(-1)];
  assert.equal(properties.letter.description, 'The letter to reply to');
  assert.ok(properties.priority, 'the options of every submit');
  const types = document.paths['/tasks'].post.requestBody.content['application/json'].examples;
  assert.deepEqual(types['reply.draft'].value, { type: 'reply.draft', input: LETTER });
  const list = (await (await fetch(`${url}/tasks?type=reply.draft`)).json()) as { tasks: unknown[] };
  assert.equal(list.tasks.length, 2);
});

test('the letter of the page asks a person, is posted once as it was changed, and is not posted when nobody may', async (t) => {
  const folder = await folderOf(t);
  const box = join(folder, 'letters.txt');
  const beanline = await npmStart('letters', { JOBS_DIR: folder, LETTER_BOX: box });
  t.after(() => beanline.endAll());
  await beanline.start();
  const { url } = beanline;
  const ask = async (about: string) => {
    const { status, json } = await post(url, '/api/letters', { about }, { Prefer: 'wait=30' });
    assert.deepEqual([status, json.status], [202, 'input_required']);
    const { approval } = (await getTask(url, json.task_id)).json;
    assert.match(approval.arguments.letter, new RegExp(about));
    return `/tasks/${json.task_id}/approvals/${approval.approval_id}`;
  };
  const answer = async (path: string, body: object) => (await post(url, path, body, { Prefer: 'wait=30' })).json;

  const closed = 'The shop is closed on Monday.';
  const first = await ask(closed);
  const changed = { letter: 'We are closed.' };
  assert.deepEqual((await answer(first, { action: 'run', arguments: changed })).output, { posted: true, ...changed });
  assert.equal((await answer(first, { action: 'run' })).code, 'conflict');
  const denied = await answer(await ask('The shop is open on Friday.'), { action: 'deny', reason: 'not true' });
  assert.equal(denied.output.posted, false);
  const plain = await answer(await ask(closed), { action: 'run' });
  assert.match(plain.output.letter, /closed on Monday/);
  assert.equal(await readFile(box, 'utf8'), `We are closed.\n${plain.output.letter}\n`);

  // The commands of the page, as they stand.
  const [, commands] = blocksOf(readPage(PAGE)).filter(({ language }) => language === 'sh');
  const script = commands?.text.replaceAll('127.0.0.1:3000', new URL(url).host) ?? '';
  const { stdout } = await promisify(execFile)('bash', ['-euc', script]);
  assert.equal(JSON.parse(stdout).output.posted, true);
});

test('the talk of the page has one more turn for what was said after all else, and none for what it refused', async (t) => {
  const beanline = await npmStart('talk', { JOBS_DIR: await folderOf(t) });
  t.after(() => beanline.endAll());
  await beanline.start();
  const { url } = beanline;
  const question = 'The shop is closed on Monday. Is the shop open on Monday?';
  const { json } = await post(url, '/api/talk', { question, delay_ms: 3_000 });
  const said = { content: 'The sky is blue. What colour is the sky?', mode: 'follow_up' };
  const sent = await post(url, `/tasks/${json.task_id}/messages`, said);
  const seen = await followToEnd(url, json.task_id);
  const { answers } = (await getTask(url, json.task_id)).json.output;
  const accepted = sent.status === 202 ? 1 : 0;
  assert.equal(answers.length, 1 + accepted);
  assert.match(answers[0], /closed on Monday/);
  assert.equal(visibleText(seen), answers.join(''));
  assert.equal(seen.filter(({ type }) => type === 'steered').length, accepted);
});

test('a broken file stops each program with 78, its name, its line and what is wrong', async (t) => {
  const folder = await folderOf(t);
  await writeFile(join(folder, 'broken.ts'), '\n\nexport const a = {{;\n');
  for (const main of MAINS) {
    const child = spawn(process.execPath, [join(ROOT, main)], {
      env: { ...INHERITED, JOBS_DIR: folder, PORT: '0', DATA_DIR: folder, BEANLINE_PARENT: '1' },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 78, text);
    assert.ok(text.includes(`${join(folder, 'broken.ts')}:3: `), text);
    assert.doesNotMatch(text, /\n\s+at /, 'no stack');
  }
});
