/** Approvals: a task that waits for a person holds no worker, survives everything, and is answered once. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { answerApproval } from '@beanline/shared/tasks/answer-approval.ts';
import { approvalIdOf } from '@beanline/shared/tasks/attempt/context.ts';
import { wire } from '@beanline/shared/wire.ts';
import { type ClientEvent, checkEnded, getTask, post, submit, visibleText } from '../testing/client.ts';
import { checkClean, type Faults, follow, followWhole, startFaults } from './checks.ts';

let system: Faults;
let api: ReturnType<typeof wire>;
before(async () => {
  // One slot: a task that held it while it waits would hold up all others. And no sweep: what a test sees happen, its job
  // has brought about.
  system = await startFaults({ env: { QUEUES: 'test.approval:1', SWEEP_FIRST_CHECK_MS: '600000' } });
  const config = readConfig({ ...system.env, LOG_LEVEL: 'silent' });
  api = wire(config, { program: 'api', log: createLog({ level: 'silent', name: 'test' }) });
  await api.deps.clock.ready();
});
after(async () => {
  await api.close();
  await system.stop();
});

type Question = { questions: string[]; expires_in_ms?: number; on_expiry?: 'expire' | 'resume' };
const ask = (input: Question) => submit(system.url, { type: 'test.approval', input }, '/tasks');

/** Follows until the n-th approval is asked for, and gives that event's data. */
async function asked(id: string, number = 1) {
  let count = 0;
  const seen = await follow(system.url, id, { see: ({ type }) => type === 'human_approval' && ++count === number });
  const last = seen.at(-1);
  assert.equal(last?.type, 'human_approval', `${id} ended instead of asking`);
  return last?.data as { approval_id: string; arguments_hash: string; expires_at: string };
}
const answer = (id: string, approvalId: string, action = 'run') =>
  answerApproval(api.deps, { id, type: 'test.approval' }, { approvalId, asked: 'a', action, by: 'tester' });
const conflict = { name: 'TaskError', code: 'conflict' };

const typesOf = (seen: ClientEvent[]) => seen.map(({ type }) => type);
const ONE_ROUND = ['queued', 'started', 'text', 'human_approval', 'resumed', 'started', 'text', 'done'];

test('waiting tasks hold no worker: five wait behind one slot, and each goes on with its own answer', async () => {
  const ids = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((question) => ask({ questions: [question] })));
  const approvals = await Promise.all(ids.map((id) => asked(id)));
  for (const id of ids) {
    const { json } = await getTask(system.url, id);
    assert.deepEqual([json.status, json.attempt, json.failures], ['input_required', 1, 0]);
  }
  for (const [index, id] of ids.entries()) await answer(id, approvals[index]?.approval_id ?? '', `do ${index}`);
  for (const [index, id] of ids.entries()) {
    const seen = await followWhole(system.url, id);
    assert.deepEqual(typesOf(seen), ONE_ROUND);
    const resumed = seen.find(({ type }) => type === 'resumed')?.data;
    assert.deepEqual([resumed.action, resumed.by], [`do ${index}`, 'tester']);
    const name = 'abcde'[index];
    assert.equal(visibleText(seen), `asked ${name} asked ${name} `, 'what was said before the question stays');
    const { json } = await getTask(system.url, id);
    assert.deepEqual([json.status, json.attempt, json.failures], ['completed', 2, 0]);
    assert.deepEqual(json.output.answers, [`do ${index}`]);
  }
  await checkClean(system);
});

test('a waiting task survives the death of its runner and of Redis', async () => {
  const id = await ask({ questions: ['a'] });
  const { approval_id } = await asked(id);
  await system.runners[0]?.signal('SIGKILL');
  await system.redis.kill();
  await system.redis.restart();
  await system.startRunner();
  await fetchReady();
  await answer(id, approval_id);
  assert.deepEqual(typesOf(await followWhole(system.url, id)), ONE_ROUND);
  await checkClean(system);
});

/** Resolves when the system, and the client here, can reach every task. */
async function fetchReady() {
  const { clock, partitions } = api.deps;
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  while (!all.every((partition) => clock.available(partition)) || !(await fetch(`${system.url}/readyz`)).ok) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('two questions in a row are answered one by one, and an answer of the first does not answer the second', async () => {
  const id = await ask({ questions: ['a', 'b'] });
  const first = await asked(id, 1);
  await answer(id, first.approval_id, 'yes');
  const second = await asked(id, 2);
  assert.notEqual(second.approval_id, first.approval_id);
  await assert.rejects(answer(id, first.approval_id, 'again'), conflict);
  await answer(id, second.approval_id, 'no');
  await followWhole(system.url, id);
  assert.deepEqual((await getTask(system.url, id)).json.output.answers, ['yes', 'no']);
  await checkClean(system);
});

describe('an answer', { concurrency: true }, () => {
  test('counts once: a second one, one with a wrong id and one after the end are conflicts', async () => {
    const id = await ask({ questions: ['a'] });
    const { approval_id } = await asked(id);
    await assert.rejects(answer(id, 'appr_of_another_task'), conflict);
    assert.equal((await getTask(system.url, id)).json.status, 'input_required');
    await answer(id, approval_id, 'run');
    await assert.rejects(answer(id, approval_id, 'cancel'), conflict);
    await followWhole(system.url, id);
    await assert.rejects(answer(id, approval_id, 'cancel'), conflict);
    assert.deepEqual((await getTask(system.url, id)).json.output.answers, ['run']);
  });

  test('is one of twenty that race, and the task acts on that one', async () => {
    const id = await ask({ questions: ['a'] });
    const { approval_id } = await asked(id);
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => answer(id, approval_id, `action ${index}`)),
    );
    const won = all.flatMap(({ status }, index) => (status === 'fulfilled' ? [`action ${index}`] : []));
    assert.equal(won.length, 1);
    assert.deepEqual(typesOf(await followWhole(system.url, id)), ONE_ROUND);
    assert.deepEqual((await getTask(system.url, id)).json.output.answers, won);
  });

  test('that comes too late is a conflict: the task has expired', async () => {
    const id = await ask({ questions: ['a'], expires_in_ms: 300 });
    const { approval_id, expires_at } = await asked(id);
    const seen = await followWhole(system.url, id);
    assert.deepEqual(typesOf(seen), ['queued', 'started', 'text', 'human_approval', 'done']);
    const { json } = await getTask(system.url, id);
    assert.deepEqual([json.status, json.error], ['expired', null]);
    assert.ok(Date.parse(json.ended_at) >= Date.parse(expires_at));
    await assert.rejects(answer(id, approval_id), conflict);
  });

  test('may be missing: a task that resumes by itself is told that nobody answered', async () => {
    const id = await ask({ questions: ['a'], expires_in_ms: 300, on_expiry: 'resume' });
    const seen = await followWhole(system.url, id);
    assert.deepEqual(typesOf(seen), ONE_ROUND);
    assert.deepEqual((await getTask(system.url, id)).json.output.answers, ['expired']);
  });

  test('to a task cancelled while it waited is a conflict', async () => {
    const id = await ask({ questions: ['a'] });
    const { approval_id } = await asked(id);
    await post(system.url, `/tasks/${id}/cancel`, {});
    await assert.rejects(answer(id, approval_id), conflict);
    assert.equal((await followWhole(system.url, id)).at(-1)?.data.status, 'cancelled');
    assert.equal((await getTask(system.url, id)).json.attempt, 1);
  });
});

test('an answer given while the task is still being parked is acted on at once and once', async (t) => {
  let slowest = 0;
  for (let round = 0; round < 10; round++) {
    // It sleeps for longer than it is followed: its answer has to wake it.
    const id = await ask({ questions: ['a'], expires_in_ms: 600_000 });
    const question = { key: 'a', tool: 'a', arguments: { question: 'a' }, expiresInMs: 600_000 };
    const approvalId = approvalIdOf(id, question);
    // Answers all the time: the first that counts comes right behind the parking's own write.
    const tries = Array.from({ length: 4 }, async () => {
      for (let answered = false; !answered; ) {
        const { status } = (await getTask(system.url, id)).json;
        if (status === 'completed') return;
        for (let again = 0; again < 50 && !answered; again++) {
          answered = await answer(id, approvalId).then(
            () => true,
            () => false,
          );
        }
      }
    });
    const seen = await follow(system.url, id);
    await Promise.all(tries);
    await checkEnded(system.url, id, seen);
    assert.deepEqual(typesOf(seen), ONE_ROUND);
    const { json } = await getTask(system.url, id);
    slowest = Math.max(slowest, Date.parse(json.ended_at) - Date.parse(json.created_at));
  }
  t.diagnostic(`from the submit to the end at most ${slowest} ms`);
  await checkClean(system);
});
