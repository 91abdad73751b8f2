/** Model servers that refuse, break, stall or talk nonsense: a typed error, a bounded number of calls, nothing lost. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { getTask, submit, visibleText } from '../testing/client.ts';
import { slowWords, type UpstreamCall } from '../testing/upstream.ts';
import { checkCalls, checkClean, endlessWords, type Faults, followWhole, startFaults, words } from './checks.ts';

/** Long enough that the answer which follows a silence does not seem silent itself, on a machine that has no time for it. */
const IDLE_MS = 3_000;

let system: Faults;
/** Gives a silent model up; the other one waits for it. */
let impatient: Faults;
before(async () => {
  const env = { MAX_OUTPUT_BYTES: '2000' };
  system = await startFaults({ env });
  impatient = await startFaults({ env: { ...env, IDLE_TIMEOUT_MS: String(IDLE_MS) } });
});
after(async () => {
  for (const each of [system, impatient]) {
    await checkClean(each);
    await each.stop();
  }
});

type Answers = Parameters<Faults['start']>[0];

/** Runs a task to its end, however it ends; no more calls than attempts. */
async function run(answers: Answers, more: Record<string, unknown> = {}, on = system) {
  const task = await on.start(answers, more);
  const seen = await followWhole(on.url, task.id);
  const json = await checkCalls(on.url, task);
  return { seen, json, calls: task.calls, retries: seen.filter(({ type }) => type === 'retrying') };
}

const refuse =
  (status: number, headers?: Record<string, string>): ((call: UpstreamCall) => void) =>
  (call) =>
    call.refuse(status, headers);
const well = slowWords(5, 0);

const raw =
  (...chunks: (string | Buffer)[]) =>
  async ({ response }: UpstreamCall) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const chunk of chunks) {
      response.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    response.end();
  };
const delta = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

describe('a model server', { concurrency: 6 }, () => {
  test('that answers 429 is asked again no sooner than its Retry-After says', async () => {
    const startedAt = performance.now();
    const { json, retries, calls } = await run([refuse(429, { 'Retry-After': '1' }), well]);
    assert.deepEqual([json.status, json.attempt, json.failures, calls.length], ['completed', 2, 1, 2]);
    assert.equal(retries[0]?.data.reason, 'provider_busy');
    assert.ok(retries[0]?.data.delay_ms >= 1_000, `delay ${retries[0]?.data.delay_ms}`);
    assert.ok(performance.now() - startedAt >= 1_000);
  });

  test('that fails with 500 once costs one failure', async () => {
    const { json, seen } = await run([refuse(500), well]);
    assert.deepEqual([json.status, json.attempt, json.failures], ['completed', 2, 1]);
    assert.equal(visibleText(seen), words(5));
  });

  test('that always fails is asked max_attempts times', async () => {
    const { json, calls, retries } = await run([refuse(503)], { max_attempts: 4 });
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'provider_busy', 4]);
    assert.deepEqual([calls.length, retries.length], [4, 3]);
  });

  test('that refuses with 400 is not asked again', async () => {
    const { json, calls } = await run([refuse(400), well]);
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'provider_refused', 1]);
    assert.equal(calls.length, 1);
  });

  test('that stalls is given up when no data came for the idle time, although comments keep coming', async () => {
    const stall = async ({ text, response }: UpstreamCall) => {
      text('half ');
      while (!response.destroyed) {
        response.write(': keep-alive\n\n');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const startedAt = performance.now();
    const { json, seen, calls, retries } = await run([stall, well], {}, impatient);
    assert.deepEqual([json.status, json.attempt], ['completed', 2]);
    // Given up for anything else but the idle time it would be another reason, and after minutes.
    assert.equal(retries[0]?.data.reason, 'provider_busy');
    assert.equal(visibleText(seen), words(5));
    await calls[0]?.closed;
    assert.ok(performance.now() - startedAt >= IDLE_MS);
  });

  test('that never answers is given up after the idle time', async () => {
    const { json, calls } = await run([() => undefined, well], {}, impatient);
    assert.deepEqual([json.status, json.attempt], ['completed', 2]);
    await calls[0]?.closed;
  });

  test('that sends garbage is a provider_busy, and no byte of the garbage is shown', async () => {
    const { json, seen } = await run([raw('data: {"choices": [{{{ zebra\n\n')], { max_attempts: 2 });
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'provider_busy', 2]);
    assert.ok(!JSON.stringify([seen, json]).includes('zebra'));
  });

  test('that cuts its stream in the middle of an event is asked again', async () => {
    const cut = async (call: UpstreamCall) => {
      call.text('half ');
      call.response.write('data: {"choices":[{"delta":{"con', () => call.response.destroy());
    };
    const { json, seen } = await run([cut, well]);
    assert.deepEqual([json.status, json.attempt, visibleText(seen)], ['completed', 2, words(5)]);
  });

  test('that answers 200 with an error in it is a typed error, by what the error says', async () => {
    const body = (type: string) => `data: ${JSON.stringify({ error: { message: 'zebra', type } })}\n\n`;
    const [busy, refused] = await Promise.all([
      run([raw(body('server_error'))], { max_attempts: 1 }),
      run([raw(body('invalid_request_error'))]),
    ]);
    assert.deepEqual([busy.json.status, busy.json.error.code], ['failed', 'provider_busy']);
    assert.deepEqual([refused.json.status, refused.json.error.code], ['failed', 'provider_refused']);
    assert.equal(refused.calls.length, 1);
    assert.ok(!JSON.stringify([busy.json, refused.json]).includes('zebra'));
  });

  test('that ends without finish_reason and usage leaves an answer marked incomplete, its usage estimated', async () => {
    const { json } = await run([raw(delta('four words of text'))]);
    assert.equal(json.status, 'completed');
    assert.deepEqual([json.output.content, json.output.finish_reason], ['four words of text', 'incomplete']);
    assert.equal(json.usage.estimated, true);
    assert.ok(json.usage.output_tokens > 0);
  });

  test('that splits characters over packets spoils none', async () => {
    const text = '한국어 🫘 "quoted"\n';
    const bytes = Buffer.from(delta(text));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
    const { json, seen } = await run([raw(...pieces)]);
    assert.deepEqual([json.output.content, visibleText(seen)], [text, text]);
  });

  test('that does not stop is cut at the output limit, and what came is kept', async () => {
    const { json, calls, seen } = await run([endlessWords(0)]);
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'output_too_large', 1]);
    assert.equal(json.output.finish_reason, 'incomplete');
    assert.equal(json.output.content, visibleText(seen));
    assert.ok(json.output.content.length > 1_900 && json.output.content.length <= 2_000);
    await calls[0]?.closed;
  });

  test('that is too slow for timeout_ms is asked again, and then the task fails as timed_out with what came', async () => {
    const { json, calls, retries, seen } = await run([endlessWords(50)], { timeout_ms: 3_000, max_attempts: 2 });
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'timed_out', 2]);
    assert.deepEqual([retries.length, retries[0]?.data.reason], [1, 'timed_out']);
    assert.equal(json.output.finish_reason, 'incomplete');
    assert.equal(json.output.content, visibleText(seen));
    await Promise.all(calls.map(({ closed }) => closed));
  });
});

test('an output without the shape of its job type is tried again, then the task fails as invalid_output', async () => {
  const id = await submit(system.url, { type: 'test.bad-output', input: {} }, '/tasks');
  const seen = await followWhole(system.url, id);
  const { json } = await getTask(system.url, id);
  assert.deepEqual([json.status, json.error.code, json.attempt, json.output], ['failed', 'invalid_output', 2, null]);
  assert.equal(seen.filter(({ type }) => type === 'retrying').length, 1);
});

test('no error of a provider leaks its key or its words into logs and answers', () => {
  for (const each of [system, impatient]) assert.ok(!each.logs().includes('sk-canary-upstream-key'));
});
