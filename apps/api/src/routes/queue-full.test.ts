import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, eventually } from '../../../../scripts/testing/raw.ts';

const MAX_TASKS = 5;
const MAX_BYTES = 20_000;

let system: InProcess;
before(async () => {
  const env = { MAX_QUEUE_TASKS: String(MAX_TASKS), MAX_QUEUE_BYTES: String(MAX_BYTES) };
  system = await startInProcess({ runners: 0, env });
});
after(() => system.stop());

test('a queue at its limit in bytes or tasks answers 429 with Retry-After, accepts nothing, and accepts again when tasks start', async () => {
  const large = await submit(system.url, chat('x'.repeat(MAX_BYTES / 2)));
  const tooMany = await post(system.url, '/api/chat', chat('y'.repeat(MAX_BYTES / 2)));
  assertProblem(tooMany, 429, 'queue_full');
  assert.match(tooMany.headers.get('retry-after') ?? '', /^[1-9]\d*$/);

  const racers = await Promise.all(Array.from({ length: 20 }, () => post(system.url, '/api/chat', chat('small'))));
  const accepted = racers.filter(({ status }) => status === 202);
  assert.equal(accepted.length, MAX_TASKS - 1);
  for (const refused of racers.filter(({ status }) => status !== 202)) assertProblem(refused, 429, 'queue_full');
  const listed = (await (await fetch(`${system.url}/tasks`)).json()) as { tasks: unknown[] };
  assert.equal(listed.tasks.length, MAX_TASKS);

  const { status } = await post(system.url, `/tasks/${large}/cancel`, {});
  assert.equal(status, 202);
  await submit(system.url, chat('in its place'));
  await system.startRunner();
  for (const { json } of accepted) {
    await eventually(
      async () => (await getTask(system.url, json.task_id)).json.status,
      (now) => now === 'completed',
    );
  }
  await submit(system.url, chat('x'.repeat(MAX_BYTES / 2)));
});
