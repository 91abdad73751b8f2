/** Runs of agents under SIGKILL of a runner, and while they wait for a person, of everything. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { linesOf } from '../testing/lines-of.ts';
import { scriptedTurns } from '../testing/scripted-turns.ts';
import { call } from '../testing/served-agents.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { checkClean, type Faults, followUntil, followWhole, startFaults } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Faults;
let dir: string;
before(async () => {
  system = await startFaults({ runners: 0, env: SHORT_LOCK });
  dir = await mkdtemp(join(tmpdir(), 'beanline-agents-'));
});
after(async () => {
  await system.stop();
  await rm(dir, { recursive: true, force: true });
});
afterEach(() => checkClean(system));

const run = (more: Record<string, unknown> = {}) => submit(system.url, chat('Send them.', more), '/api/chat/agentic');

async function asked(id: string) {
  const { approval, status } = (await getTask(system.url, id)).json;
  assert.equal(status, 'input_required');
  return { approval, path: `/tasks/${id}/approvals/${approval.approval_id}` };
}

for (const [index, write] of [
  'tasks.beginStep#1',
  'tasks.finishStep#2',
  'tasks.finishStep#4',
  'tasks.append#3',
].entries()) {
  test(`a runner that dies right after ${write} sends nothing twice, and readers have the answer once`, async () => {
    const file = join(dir, `dying-${index}`);
    system.upstream.answer = scriptedTurns([
      { text: 'First. ', calls: [call('send', { to: 'anna', file }), call('put', { to: 'ben', file })] },
      { text: 'Then. ', calls: [call('send', { to: 'carl', file })] },
      { text: 'Sent.' },
    ]);
    const dying = await startDying(system, 'runner', write);
    const id = await run();
    await dying.died;
    const runner = await system.startRunner();
    try {
      const seen = await followWhole(system.url, id);
      const { status, output } = (await getTask(system.url, id)).json;
      assert.deepEqual([status, output.content], ['completed', 'First. Then. Sent.']);
      assert.equal(visibleText(seen), output.content);
      const unknown = output.results.filter((one: { status: string }) => one.status === 'error').length;
      const sent = linesOf(file).filter((line) => !line.startsWith('put'));
      assert.equal(new Set(sent).size, sent.length);
      assert.equal(sent.length + unknown, 2);
    } finally {
      await runner.signal('SIGKILL');
    }
  });
}

test('a question outlives runner, relay, API and Redis, and of twenty racing answers one counts', async () => {
  const file = join(dir, 'outlives');
  system.upstream.answer = scriptedTurns([
    { text: 'First. ', calls: [call('look', { found: 'x' }), call('send', { to: 'vip anna', file })] },
    { text: 'Sent.' },
  ]);
  const first = await system.startRunner();
  const id = await run();
  await followUntil(system.url, id, 'human_approval');
  const before = await asked(id);
  await first.signal('SIGKILL');
  const [relay] = system.relays;
  await relay?.signal('SIGKILL');
  await system.redis.kill();
  await system.redis.restart();
  await system.startRelay();
  const api = await system.startApi();
  const runner = await system.startRunner();
  try {
    const { approval, path } = await asked(id);
    assert.deepEqual(approval, before.approval);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(api.url, path, { action: 'run' })));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [202, ...Array(19).fill(409)]);
    const seen = await followWhole(api.url, id);
    const { status, output, approvals } = (await getTask(api.url, id)).json;
    assert.deepEqual([status, output.content, output.results.length], ['completed', 'First. Sent.', 2]);
    assert.deepEqual([visibleText(seen), approvals.length], [output.content, 1]);
    assert.deepEqual(linesOf(file), ['vip anna']);
  } finally {
    await runner.signal('SIGKILL');
    await api.signal('SIGKILL');
  }
});

test('two hundred parked runs hold no slot: with four, chats are answered beside them, and every run goes on', async () => {
  const file = join(dir, 'parked');
  const greeted = scriptedTurns([{ text: 'Hello.' }]);
  const sends = scriptedTurns([{ calls: [call('send', { to: 'vip', file })] }, { text: 'Sent.' }]);
  system.upstream.answer = (one) =>
    one.body.messages.some(({ content }) => content === 'hello') ? greeted(one) : sends(one);
  const runner = await system.startRunner({ QUEUES: 'chat.agentic.request:4,chat.request:4' });
  try {
    const ids = await Promise.all(Array.from({ length: 200 }, () => run()));
    for (const id of ids) await followUntil(system.url, id, 'human_approval');
    for (let i = 0; i < 20; i++) {
      const answered = await post(system.url, '/api/chat', chat('hello'), { Prefer: 'wait=60' });
      assert.equal(answered.json.output.content, 'Hello.');
    }
    await Promise.all(ids.map(async (id) => post(system.url, (await asked(id)).path, { action: 'run' })));
    for (const id of ids) assert.equal((await followWhole(system.url, id)).at(-1)?.data.status, 'completed');
    assert.equal(linesOf(file).length, 200);
  } finally {
    await runner.signal('SIGKILL');
  }
});
