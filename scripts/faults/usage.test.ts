/** Providers that report nonsense as usage: the answer is worth more than the count. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { visibleText } from '../testing/client.ts';
import type { UpstreamCall } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, followWhole, startFaults } from './checks.ts';

let system: Faults;
before(async () => {
  system = await startFaults();
});
after(async () => {
  await checkClean(system);
  await system.stop();
});

const answering = (usage: Record<string, unknown>) => (call: UpstreamCall) => {
  call.text('four words of text');
  call.data({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  call.data({ choices: [], usage });
  call.response.end('data: [DONE]\n\n');
};

async function run(usage: Record<string, unknown>) {
  const task = await system.start([answering(usage)]);
  const seen = await followWhole(system.url, task.id);
  const json = await checkCalls(system.url, task);
  assert.equal(visibleText(seen), 'four words of text');
  assert.equal(json.output.content, 'four words of text');
  assert.deepEqual(
    [json.status, json.attempt, json.failures, task.calls.length],
    ['completed', 1, 0, 1],
    JSON.stringify(json.error),
  );
  assert.deepEqual(seen.at(-1)?.data.usage, json.usage);
  return json.usage;
}

const NONSENSE: unknown[] = [1.5, 1e19, -1, '7', null, true, {}];

describe('a usage that is not two whole numbers never loses the answer; it is estimated and marked', {
  concurrency: 7,
}, () => {
  for (const value of NONSENSE) {
    test(`such as ${JSON.stringify(value)}`, async () => {
      for (const usage of [
        { prompt_tokens: value, completion_tokens: 2 },
        { prompt_tokens: 2, completion_tokens: value },
        { prompt_tokens: value, completion_tokens: value, total_tokens: value },
      ]) {
        const { estimated, input_tokens, output_tokens } = await run(usage);
        assert.equal(estimated, true);
        for (const tokens of [input_tokens, output_tokens]) assert.ok(Number.isSafeInteger(tokens) && tokens > 0);
      }
    });
  }
});

test('a usage of large whole numbers is taken as it is told', async () => {
  const usage = await run({ prompt_tokens: 20_000_000_000, completion_tokens: 0 });
  assert.deepEqual(usage, { input_tokens: 20_000_000_000, output_tokens: 0, total_tokens: 20_000_000_000 });
});

test('a usage of the largest whole numbers, whose sum is none any more, does not lose the answer', async () => {
  const most = Number.MAX_SAFE_INTEGER;
  const { input_tokens, output_tokens } = await run({ prompt_tokens: most, completion_tokens: most });
  assert.ok(Number.isSafeInteger(input_tokens) && Number.isSafeInteger(output_tokens));
});
