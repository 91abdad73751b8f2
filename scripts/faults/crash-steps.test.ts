/** A runner dies after every single write of a task with steps: no effect happens twice, and readers have the answer, once. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { getTask, submit } from '../testing/client.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { checkClean, type Faults, followWhole, startFaults } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Faults;
let dir: string;
before(async () => {
  system = await startFaults({ runners: 0, env: SHORT_LOCK });
  dir = await mkdtemp(join(tmpdir(), 'beanline-steps-'));
});
after(async () => {
  await system.stop();
  await rm(dir, { recursive: true, force: true });
});

/** What a client has by the contract: the text of an attempt that ended by a retry is dropped. */
function shown(events: Awaited<ReturnType<typeof followWhole>>): string {
  let texts: { attempt: string; content: string }[] = [];
  for (const { id, type, data } of events) {
    const attempt = id.split('-')[0] ?? '';
    if (type === 'text') texts.push({ attempt, content: String(data.content) });
    if (type === 'retrying') texts = texts.filter((text) => text.attempt !== attempt);
  }
  return texts.map(({ content }) => content).join('');
}

/** What a task with its four steps writes: begin, a piece of each step, two that begin, four that end, and the end. */
const WRITES = [
  ...['tasks.begin', 'tasks.finish', 'tasks.beginStep#1', 'tasks.beginStep#2'],
  ...[1, 2, 3, 4].map((nth) => `tasks.finishStep#${nth}`),
  ...[1, 2].map((nth) => `tasks.append#${nth}`),
];

for (const [index, write] of WRITES.entries()) {
  test(`a runner that dies right after ${write} repeats no effect, and the text is that of the output`, async () => {
    const file = join(dir, `${index}`);
    const dying = await startDying(system, 'runner', write);
    const id = await submit(system.url, { type: 'test.steps', input: { file } }, '/tasks');
    await dying.died;
    const runner = await system.startRunner();
    try {
      const events = await followWhole(system.url, id);
      const { status, output } = (await getTask(system.url, id)).json;
      assert.equal(status, 'completed');
      assert.match(output.content, /^one (two|unknown) three four $/);
      assert.equal(shown(events), output.content);
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      const effects = lines.filter((line) => line === 'two').length;
      if (write === 'tasks.beginStep#1') assert.deepEqual([effects, output.content.includes('unknown')], [0, true]);
      else assert.equal(effects, 1);
      // Whoever is asked twice is asked under one key.
      assert.equal(new Set(lines.filter((line) => line !== 'two')).size, 1);
      await checkClean(system);
    } finally {
      await runner.signal('SIGKILL');
    }
  });
}
