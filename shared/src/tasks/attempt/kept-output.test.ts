/** What is kept of an output that did not come: of the attempt that ended, and of those before a person was asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledTask } from '../../../../scripts/testing/handled-task.ts';
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';

const setup = handledTask();
const QUESTION = { key: 'ask', tool: 'send', arguments: {}, expiresInMs: 60_000 };
const partial = (text: string, _: unknown, more: { kept: unknown; before: unknown }) => ({ text, ...more });

async function ask({ emit, keep, approve }: Context) {
  await emit.text('asked ');
  await emit.text('aside', { tool: 'notes' });
  keep({ results: 1 });
  await approve(QUESTION);
  return {};
}

test('a task that ends while a person is asked keeps its text without that of tools, and what its handler gave', async (t) => {
  const { run, read, deps, id } = await setup(t, { partial });
  assert.equal((await run(ask)).status, 'input_required');
  await deps.tasks.cancel(id, 'anna', { nonce: 'one' });
  const { status, output } = await read();
  assert.deepEqual(
    [status, JSON.parse(output ?? '')],
    ['cancelled', { text: 'asked ', kept: { results: 1 }, before: null }],
  );
});

test('an attempt after an answer is given what was kept before it, and a void one between them changes nothing', async (t) => {
  const { run, deps, id } = await setup(t, { partial });
  const { approval } = await run(ask);
  const approvalId = approval?.approval_id ?? '';
  const answer = { approval_id: approvalId, action: 'run', by: 'anna' };
  await deps.tasks.answer(id, { approvalId, nonce: 'one', answer, resumed: answer });
  const before = { text: 'asked ', kept: { results: 1 }, before: null };
  for (const [code, status] of [
    ['provider_busy', 'queued'],
    ['provider_refused', 'failed'],
  ] as const) {
    const record = await run(async ({ emit, keep }) => {
      await emit.text(code);
      keep({ results: 2 });
      throw new TaskError(code, 'no');
    });
    assert.equal(record.status, status);
    if (status === 'failed')
      assert.deepEqual(JSON.parse(record.output ?? ''), { text: code, kept: { results: 2 }, before });
  }
});

test('an attempt has the time it was given, and less when it has taken some', async (t) => {
  const { run } = await setup(t);
  let left: number[] = [];
  await run(async ({ timeLeftMs }) => {
    left = [timeLeftMs(), timeLeftMs()];
    return {};
  });
  const [first = 0, second = 0] = left;
  assert.ok(first <= 60_000 && second <= first && second > 0);
});
