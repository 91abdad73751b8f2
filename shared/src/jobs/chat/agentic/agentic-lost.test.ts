/**
 * A run whose runner is lost after every single write, one after the other: no effect comes about twice, no finished turn is paid
 * again, and the text a client has by the contract is that of the output.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { testCatalog } from '../../../../../scripts/testing/catalog.ts';
import { linesOf } from '../../../../../scripts/testing/lines-of.ts';
import { losingTasks } from '../../../../../scripts/testing/lost-attempts.ts';
import { scriptedTurns, turnOf, USAGE } from '../../../../../scripts/testing/scripted-turns.ts';
import { call } from '../../../../../scripts/testing/served-agents.ts';
import { silentLog } from '../../../../../scripts/testing/task-redis.ts';
import { taskRelay } from '../../../../../scripts/testing/task-relay.ts';
import { startUpstream, type Upstream } from '../../../../../scripts/testing/upstream.ts';
import { createProviders } from '../../../models/create-providers.ts';
import { withParts } from '../../../parts.ts';
import { answerApproval } from '../../../tasks/answer-approval.ts';
import { runTask } from '../../../tasks/run-task.ts';
import { sendMessage } from '../../../tasks/send-message.ts';
import { submitTask } from '../../../tasks/submit-task.ts';
import { AgenticInput } from './agentic-input.ts';
import { agenticRequest } from './agentic-request.ts';

const setupRelay = taskRelay();
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream();
});
after(() => upstream.stop());

/** A task of one run, whose attempts are made one by one. */
async function setup(t: TestContext, more: Record<string, unknown> = {}) {
  const at = setupRelay(t);
  const { deps, config } = await at.program('api', upstream.env, testCatalog);
  const providers = await createProviders(config, silentLog);
  const value = AgenticInput.parse({ messages: [{ role: 'user', content: 'Send them.' }], ...more });
  const { id } = await submitTask(deps, {
    ...{ owner: 'anna', spread: false, type: agenticRequest, input: JSON.stringify(value), value, inputPath: [] },
    ...{ given: {}, idempotencyKey: undefined, traceparent: undefined, requestId: 'request-1', partOptions: {} },
    options: {
      ...{ priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 3, patienceMs: undefined },
      ...{ runAt: 0, delayMs: 0, startBy: undefined },
    },
  });
  const attempt = (tasks: typeof deps.tasks) =>
    runTask(
      { ...withParts({ ...deps, tasks }), providers },
      { taskId: id, type: agenticRequest.name, signal: new AbortController().signal, fence: randomUUID() },
    );
  return {
    ...at,
    id,
    deps,
    /** An attempt whose runner is lost after so many writes. Gives which was the last; null when it had made them all. */
    async lose(writes: number): Promise<string | null> {
      const losing = losingTasks(deps.tasks, writes);
      const ended = attempt(losing.tasks);
      // It wakes when all is over, and must change nothing.
      t.after(async () => {
        losing.wake();
        await ended;
      });
      return Promise.race([losing.lost, ended.then(() => null)]);
    },
    async run() {
      await at.redis.hset(at.keys.task(0, id), 'due_at', 0);
      await attempt(deps.tasks);
      const record = await deps.tasks.read('anna', id);
      assert.ok(record);
      return record;
    },
    async read() {
      const record = await deps.tasks.read('anna', id);
      assert.ok(record);
      return record;
    },
    /** The text a client has by the contract. */
    async shown(): Promise<string> {
      let texts: { attempt: string; content: string }[] = [];
      for (const { id: eventId, type, data } of await at.events(id)) {
        const number = eventId.split('-')[0] ?? '';
        if (type === 'text' && data.tool === undefined) texts.push({ attempt: number, content: data.content });
        if (type === 'retrying') texts = texts.filter((text) => text.attempt !== number);
      }
      return texts.map(({ content }) => content).join('');
    },
  };
}

const turns = (file: string) => [
  { text: 'First these. ', calls: [call('send', { to: 'anna', file }), call('look', { found: 'something' })] },
  { calls: [call('put', { to: 'carl', file }), call('send', { to: 'ben', file })] },
  { text: 'All was sent.' },
];
/** Turns that the model was asked for from a call on, each by its number. */
const asked = (from: number) => upstream.calls.slice(from).map(turnOf);

test('a runner that is lost after any write: each effect at most once, no finished turn paid again, the text is the output', async (t) => {
  for (let writes = 1; ; writes++) {
    const given = await setup(t);
    const file = join(given.dataDir, `notes-${writes}`);
    upstream.answer = scriptedTurns(turns(file));
    const from = upstream.calls.length;
    const write = await given.lose(writes);
    if (write === null) {
      // It went through: every write before it was the last one once.
      assert.ok(writes > 20, `only ${writes} writes`);
      return;
    }
    const where = `lost after write ${writes}, ${write}`;
    const { status, output, usage } = await given.run();
    assert.equal(status, 'completed', where);
    const { content, results, success } = JSON.parse(output ?? '');
    assert.equal(content, 'First these. All was sent.', where);
    assert.equal(await given.shown(), content, where);
    const effects = linesOf(file);
    const unknown = results.filter((one: { status: string }) => one.status === 'error');
    for (const to of ['anna', 'ben']) {
      const times = effects.filter((line) => line === to).length;
      const isUnknown = unknown.some((one: { arguments: { to: string } }) => one.arguments.to === to);
      assert.ok(times <= 1, `${where}: sent to ${to} ${times} times`);
      if (!isUnknown) assert.equal(times, 1, where);
    }
    assert.equal(success, unknown.length === 0, where);
    assert.ok(unknown.length <= 1, where);
    assert.ok(effects.includes('put carl'), where);
    // Only the turn that was under way is asked for again.
    const numbers = asked(from);
    assert.ok(numbers.length <= 4, `${where}: turns ${numbers}`);
    assert.deepEqual([...new Set(numbers)], [0, 1, 2], where);
    assert.deepEqual(
      [usage?.inputTokens, usage?.outputTokens],
      [3 * USAGE.prompt_tokens, 3 * USAGE.completion_tokens],
      where,
    );
  }
});

test('calls at once that are lost after any write have each effect at most once, and keep their order', async (t) => {
  const everybody = ['anna', 'ben', 'carl', 'dora', 'eve', 'fred'];
  for (let writes = 1; ; writes++) {
    const given = await setup(t, { parallel: true });
    const file = join(given.dataDir, `notes-${writes}`);
    const calls = everybody.map((to) => call(to === 'dora' ? 'put' : 'send', { to, file }));
    upstream.answer = scriptedTurns([{ text: 'First these. ', calls }, { text: 'All was sent.' }]);
    const write = await given.lose(writes);
    if (write === null) {
      assert.ok(writes > 20, `only ${writes} writes`);
      return;
    }
    const where = `lost after write ${writes}, ${write}`;
    const { output, usage } = await given.run();
    const { content, results } = JSON.parse(output ?? '');
    assert.equal(await given.shown(), content, where);
    const came: { arguments: { to: string }; status: string }[] = results;
    assert.deepEqual(
      came.map((one) => one.arguments.to),
      everybody,
      where,
    );
    const effects = linesOf(file);
    for (const { arguments: sent, status } of came.filter((one) => one.arguments.to !== 'dora')) {
      const times = effects.filter((line) => line === sent.to).length;
      assert.ok(times <= 1 && (times === 1 || status === 'error'), `${where}: sent to ${sent.to} ${times} times`);
    }
    assert.equal(usage?.inputTokens, 2 * USAGE.prompt_tokens, where);
  }
});

test('a run that was parked and is lost after any write of what follows shows nothing twice and asks nothing again', async (t) => {
  for (let writes = 1; ; writes++) {
    const given = await setup(t, { require_approval: ['put'] });
    const { deps, id } = given;
    const file = join(given.dataDir, `notes-${writes}`);
    upstream.answer = scriptedTurns(turns(file));
    const from = upstream.calls.length;
    const parked = await given.run();
    assert.equal(parked.status, 'input_required');
    const approvalId = parked.approval?.approval_id ?? '';
    await answerApproval(
      deps,
      { id, type: agenticRequest.name },
      { approvalId, asked: 'put', action: 'run', by: 'anna' },
    );
    const write = await given.lose(writes);
    if (write === null) {
      assert.ok(writes > 8, `only ${writes} writes`);
      return;
    }
    const where = `lost after write ${writes}, ${write}`;
    const { status, output } = await given.run();
    assert.equal(status, 'completed', where);
    const { content, results } = JSON.parse(output ?? '');
    assert.equal(content, 'First these. All was sent.', where);
    assert.equal(await given.shown(), content, where);
    assert.equal(results.length, 4, where);
    assert.equal(linesOf(file).filter((line) => line === 'anna').length, 1, where);
    assert.ok(linesOf(file).filter((line) => line === 'ben').length <= 1, where);
    assert.equal(asked(from).filter((number) => number < 2).length, 2, where);
  }
});

test('messages that are sent at any moment of a run that is lost are seen by the model once, in one place, or are refused', async (t) => {
  for (let writes = 1; ; writes++) {
    const given = await setup(t);
    const { deps, id } = given;
    const file = join(given.dataDir, `notes-${writes}`);
    upstream.answer = scriptedTurns([...turns(file), { text: ' In French.' }]);
    const from = upstream.calls.length;
    const write = await given.lose(writes);
    if (write === null) return;
    const where = `lost after write ${writes}, ${write}`;
    const message = { content: 'In French!', mode: 'steer' as const, idempotencyKey: undefined };
    const sent = await sendMessage(deps, { id, type: agenticRequest.name }, message).then(
      () => true,
      () => false,
    );
    const { status, output } = await given.run();
    assert.equal(status, 'completed', where);
    const last = upstream.calls.slice(from).at(-1)?.body.messages ?? [];
    assert.equal(JSON.stringify(last).split('In French!').length - 1, sent ? 1 : 0, where);
    assert.equal(await given.shown(), JSON.parse(output ?? '').content, where);
  }
});

test('a tool that can tell what became of a call is asked after any loss: done once and known, or not done and said so', async (t) => {
  let isAsked = false;
  for (let writes = 1; ; writes++) {
    const given = await setup(t);
    const file = join(given.dataDir, `notes-${writes}`);
    upstream.answer = scriptedTurns([{ calls: [call('book', { to: 'anna', file })] }, { text: 'Booked.' }]);
    const write = await given.lose(writes);
    if (write === null) break;
    const where = `lost after write ${writes}, ${write}`;
    const wasDone = linesOf(file).length === 1;
    const { status, output } = await given.run();
    const [{ status: came, result }] = JSON.parse(output ?? '').results;
    assert.equal(status, 'completed', where);
    assert.deepEqual(linesOf(file), came === 'completed' ? ['anna'] : [], where);
    if (came === 'completed') assert.deepEqual(result, { done: 'booked for anna' }, where);
    // It was done, and its end was not noted: only the tool can know.
    isAsked ||= wasDone && write === 'append' && came === 'completed';
  }
  assert.ok(isAsked);
});
