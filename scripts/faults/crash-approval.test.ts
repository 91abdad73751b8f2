/** A process dies or freezes in the middle of an approval: the task waits, and its answer counts, as if nothing had happened. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { answerApproval, answerEntry } from '@beanline/shared/tasks/answer-approval.ts';
import { wire } from '@beanline/shared/wire.ts';
import { getTask, submit } from '../testing/client.ts';
import type { Program } from '../testing/system.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { checkClean, type Faults, followUntil, followWhole, startFaults } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Faults;
let client: ReturnType<typeof wire>;
before(async () => {
  system = await startFaults({ runners: 0, env: SHORT_LOCK });
  client = await clientOf(system);
});
after(async () => {
  await client.close();
  await system.stop();
});

async function clientOf({ env }: Faults) {
  const config = readConfig({ ...env, LOG_LEVEL: 'silent' });
  const wired = wire(config, { program: 'api', log: createLog({ level: 'silent', name: 'test' }) });
  await wired.deps.clock.ready();
  return wired;
}

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

async function ends(id: string, expected: { status: string; attempt: number }, { url } = system) {
  await followWhole(url, id);
  const { status, attempt, failures } = (await getTask(url, id)).json;
  assert.deepEqual({ status, attempt, failures }, { ...expected, failures: 0 });
}

/** Its job sleeps much longer than a test follows it: what goes on sooner was woken. */
const approval = { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 600_000 } };
const answerOf = async (id: string, { url } = system) => {
  const seen = await followUntil(url, id, 'human_approval');
  return { approvalId: seen.at(-1)?.data.approval_id as string, asked: 'a', action: 'run', by: 'tester' };
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
  const reply = await answerOf(id);
  const { approvalId } = reply;
  const answer = answerEntry(reply);
  await until('the job sleeps', async () => (await system.redis.cli('zcard', 'bl:{test.approval}:delayed')) === '1');
  await client.deps.tasks.answer(id, { approvalId, nonce: 'n', answer, resumed: answer });
  const answeredAt = performance.now();
  await ends(id, { status: 'completed', attempt: 2 });
  t.diagnostic(`after ${Math.round(performance.now() - answeredAt)} ms`);
});

test('an answer that comes while the runner has not put the job to sleep yet is acted on by that runner', async (t) => {
  // No sweep comes, and no lock runs out: only the second look of that runner is left to wake it.
  const own = await startFaults({ runners: 0, env: { SWEEP_FIRST_CHECK_MS: '600000', LOCK_DURATION_MS: '600000' } });
  t.after(own.stop);
  const { deps, close } = await clientOf(own);
  t.after(close);
  const runner = await startDying(own, 'runner', 'tasks.release', 'SIGSTOP');
  t.after(() => runner.child.kill('SIGKILL'));
  const id = await submit(own.url, approval, '/tasks');
  await answerApproval(deps, { id, type: 'test.approval' }, await answerOf(id, own));
  assert.equal(await own.redis.cli('llen', 'bl:{test.approval}:active'), '1', 'its job could not be woken');
  runner.child.kill('SIGCONT');
  const answeredAt = performance.now();
  await ends(id, { status: 'completed', attempt: 2 }, own);
  t.diagnostic(`after ${Math.round(performance.now() - answeredAt)} ms`);
  await checkClean(own);
});
