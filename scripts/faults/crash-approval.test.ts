/** A process dies or freezes in the middle of an approval: the task waits, and its answer counts, as if nothing had happened. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { answerApproval } from '@beanline/shared/answer-approval.ts';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { wire } from '@beanline/shared/wire.ts';
import { getTask, submit } from '../testing/client.ts';
import type { Program } from '../testing/system.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { checkClean, type Faults, followUntil, followWhole, startFaults, until } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Faults;
let client: ReturnType<typeof wire>;
before(async () => {
  system = await startFaults({ runners: 0, env: SHORT_LOCK });
  const config = readConfig({ ...system.env, LOG_LEVEL: 'silent' });
  client = wire(config, { program: 'api', log: createLog({ level: 'silent', name: 'test' }) });
  await client.deps.clock.ready();
});
after(async () => {
  await client.close();
  await system.stop();
});

const runners: Program[] = [];
const startRunner = async () => runners.push(await system.startRunner());
afterEach(async () => {
  // While the runners live: a task has its end a moment before its job does.
  try {
    await checkClean(system);
  } finally {
    await Promise.all(runners.splice(0).map((runner) => runner.signal('SIGKILL')));
  }
});

async function ends(id: string, expected: { status: string; attempt: number }) {
  await followWhole(system.url, id);
  const { status, attempt, failures } = (await getTask(system.url, id)).json;
  assert.deepEqual({ status, attempt, failures }, { ...expected, failures: 0 });
}

const approval = { type: 'test.approval', input: { questions: ['a'] } };
const answerOf = async (id: string) => {
  const seen = await followUntil(system.url, id, 'human_approval');
  return { approvalId: seen.at(-1)?.data.approval_id as string, action: 'run', by: 'tester' };
};

test('a task that was parked while its job was not waits, and is answered as any other', async () => {
  const dying = await startDying(system, 'runner', 'tasks.release');
  const id = await submit(system.url, approval, '/tasks');
  await dying.died;
  await startRunner();
  await until('the job sleeps', async () => (await system.redis.cli('zcard', 'bl:{test.approval}:delayed')) === '1');
  assert.equal((await getTask(system.url, id)).json.status, 'input_required');
  await answerApproval(client.deps, { id, type: 'test.approval' }, await answerOf(id));
  await ends(id, { status: 'completed', attempt: 2 });
});

test('an answer whose API died before the job was woken is acted on', async (t) => {
  await startRunner();
  const id = await submit(system.url, approval, '/tasks');
  const { approvalId, ...answer } = await answerOf(id);
  await until('the job sleeps', async () => (await system.redis.cli('zcard', 'bl:{test.approval}:delayed')) === '1');
  await client.deps.tasks.answer(id, { approvalId, nonce: 'n', answer, resumed: answer });
  const answeredAt = performance.now();
  await ends(id, { status: 'completed', attempt: 2 });
  const tookMs = Math.round(performance.now() - answeredAt);
  t.diagnostic(`after ${tookMs} ms`);
  assert.ok(tookMs < 7_000);
});

test('an answer that comes while the runner has not put the job to sleep yet is acted on by that runner', async (t) => {
  const runner = await startDying(system, 'runner', 'tasks.release', 'SIGSTOP');
  t.after(() => runner.child.kill('SIGKILL'));
  const id = await submit(system.url, approval, '/tasks');
  await answerApproval(client.deps, { id, type: 'test.approval' }, await answerOf(id));
  assert.equal(await system.redis.cli('llen', 'bl:{test.approval}:active'), '1', 'its job could not be woken');
  runner.child.kill('SIGCONT');
  const answeredAt = performance.now();
  await ends(id, { status: 'completed', attempt: 2 });
  const tookMs = Math.round(performance.now() - answeredAt);
  t.diagnostic(`after ${tookMs} ms`);
  // Sooner than the sweep would look at it.
  assert.ok(tookMs < 600, `${tookMs} ms`);
});
