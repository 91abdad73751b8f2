/** Steps of a handler: what a later attempt finds done, and what readers are shown again. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { silentLog } from '../../../../scripts/testing/task-redis.ts';
import { taskRelay } from '../../../../scripts/testing/task-relay.ts';
import { type Context, StepUnknown } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import { defineJobType } from '../../job-type.ts';
import { createProviders } from '../../models/create-providers.ts';
import { runTask } from '../run-task.ts';
import { submitTask } from '../submit-task.ts';

const setupRelay = taskRelay();
const busy = () => new TaskError('provider_busy', 'not now');

/** A task whose attempts run what `run` is given, one after the other. */
async function setup(t: TestContext, env: Record<string, string> = {}) {
  const at = setupRelay(t);
  const { deps: wired, config } = await at.program('relay', env);
  let handler: (context: Context) => Promise<Record<string, unknown>> = async () => ({});
  const type = defineJobType({
    ...{ name: 'works', concurrency: 1, attempts: 3, timeoutMs: 60_000, input: z.object({}) },
    output: z.looseObject({}),
    run: (_, context) => handler(context),
  });
  const deps = { ...wired, catalog: new Map([[type.name, type]]) };
  const providers = await createProviders({ ...config, OLLAMA_HOST: 'off' }, silentLog);
  const { id } = await submitTask(deps, {
    ...{ owner: 'anna', spread: false, type, input: '{}', value: {}, inputPath: [], given: {}, requestId: 'request-1' },
    ...{ idempotencyKey: undefined, traceparent: undefined },
    options: { priority: 0, metadata: {}, timeoutMs: 60_000, maxAttempts: 3, runAt: 0, delayMs: 0, startBy: undefined },
  });
  return {
    ...at,
    id,
    deps,
    /** One attempt; `signal` stops it from outside. */
    async run(work: (context: Context) => Promise<Record<string, unknown>>, signal = new AbortController().signal) {
      handler = work;
      await at.redis.hset(at.keys.task(0, id), 'due_at', 0);
      await runTask({ ...deps, providers }, { taskId: id, type: type.name, signal, fence: randomUUID() });
      const record = await deps.tasks.read('anna', id);
      assert.ok(record);
      return record;
    },
    /** The attempt that runs now is lost: its runner is never heard of again. */
    async lose() {
      await at.tasks.begin(id, at.beginOptions({ fence: 'another' }));
      await at.redis.hset(at.keys.task(0, id), 'status', 'queued');
    },
    /** What a client has by the contract: text of void attempts dropped. */
    async shown() {
      let texts: { attempt: number; content: string }[] = [];
      for (const { id: eventId, type: name, data } of await at.events(id)) {
        const attempt = Number(eventId.split('-')[0]);
        if (name === 'text') texts.push({ attempt, content: data.content });
        if (name === 'retrying') texts = texts.filter((text) => text.attempt !== attempt);
      }
      return texts.map(({ content }) => content).join('');
    },
  };
}

test('a finished step is not done again by a later attempt, and what it has shown is shown again once', async (t) => {
  const { run, shown } = await setup(t);
  const done: string[] = [];
  const say = (context: Context, key: string) =>
    context.step(key, {
      effect: 'none',
      async run() {
        done.push(key);
        await context.emit.text(`${key} `);
        return { said: `${key} ` };
      },
      show: ({ said }) => context.emit.text(said),
    });
  let fails = true;
  const work = async (context: Context) => {
    const one = await say(context, 'one');
    if (fails) throw busy();
    const two = await say(context, 'two');
    return { content: one.said + two.said };
  };
  await run(work);
  fails = false;
  const { output } = await run(work);
  assert.deepEqual(done, ['one', 'two']);
  assert.deepEqual(JSON.parse(output ?? ''), { content: 'one two ' });
  assert.equal(await shown(), 'one two ');
});

test('what stood when the task was parked for a person is not shown again', async (t) => {
  const { run, shown, id, deps, events } = await setup(t);
  let shows = 0;
  const work = async (context: Context) => {
    const { said } = await context.step('one', {
      effect: 'none',
      async run() {
        await context.emit.text('one ');
        return { said: 'one ' };
      },
      async show() {
        shows++;
      },
    });
    await context.approve({ key: 'may I', tool: 'mail', arguments: {}, expiresInMs: 60_000 });
    await context.emit.text('two');
    return { content: `${said}two` };
  };
  assert.equal((await run(work)).status, 'input_required');
  const asked = (await events(id)).find(({ type }) => type === 'human_approval');
  const reply = { approval_id: asked?.data.approval_id, action: 'run', by: 'anna' };
  const answer = { approvalId: reply.approval_id, nonce: 'n', answer: reply, resumed: reply };
  assert.equal(await deps.tasks.answer(id, answer), 'answered');
  assert.equal((await run(work)).status, 'completed');
  assert.deepEqual([shows, await shown()], [0, 'one two']);
});

test('a step with an effect that a lost attempt had begun is asked after, or told to be unknown, and never run again', async (t) => {
  const { run, lose } = await setup(t);
  let effects = 0;
  const late = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const send = (context: Context, reconcile?: () => Promise<{ result: string } | null>) =>
    context.step('send', {
      effect: 'once',
      async run() {
        effects++;
        begun.resolve();
        return late.promise;
      },
      ...(reconcile ? { reconcile } : {}),
    });
  const frozen = run(async (context) => ({ sent: await send(context) }));
  await begun.promise;
  await lose();
  const unknown = await run(async (context) => {
    await assert.rejects(send(context), StepUnknown);
    throw busy();
  });
  assert.equal(unknown.status, 'queued');
  const { output } = await run(async (context) => ({ sent: await send(context, async () => ({ result: 'by then' })) }));
  assert.deepEqual([JSON.parse(output ?? ''), effects], [{ sent: 'by then' }, 1]);
  late.resolve('too late');
  assert.equal((await frozen).output, output);
});

test('a task whose handler lets it pass that a step with an effect may have been done fails, and says so', async (t) => {
  const { run, lose } = await setup(t);
  let effects = 0;
  const begun = Promise.withResolvers<void>();
  const late = Promise.withResolvers<boolean>();
  const work = async (context: Context) => ({
    sent: await context.step('send', {
      effect: 'once',
      async run() {
        effects++;
        begun.resolve();
        return late.promise;
      },
    }),
  });
  const frozen = run(work);
  await begun.promise;
  await lose();
  const { status, error } = await run(work);
  assert.deepEqual([status, error?.code, effects], ['failed', 'effect_unknown', 1]);
  assert.match(error?.message ?? '', /step send .* not done again/);
  late.resolve(true);
  await frozen;
});

test('a step that may be repeated is run again with the same idempotency key', async (t) => {
  const { run } = await setup(t);
  const seen: string[] = [];
  const work = (fails: boolean) => async (context: Context) => ({
    done: await context.step('put', {
      effect: 'idempotent',
      async run({ idempotencyKey }) {
        seen.push(idempotencyKey);
        if (fails) throw busy();
        return true;
      },
    }),
  });
  await run(work(true));
  await run(work(false));
  assert.equal(seen.length, 2);
  assert.equal(seen[0], seen[1]);
});

test('an attempt that is cancelled ends when its step in flight has, and what that did is kept', async (t) => {
  const { run, tasks, id } = await setup(t);
  const stop = new AbortController();
  const { status } = await run(async (context) => {
    await context.step('slow', {
      effect: 'once',
      async run({ signal }) {
        const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await tasks.cancel(id, 'anna', { nonce: 'n' });
        await context.emit.text('x');
        await aborted;
        return 'had its effect';
      },
    });
    return {};
  }, stop.signal);
  assert.equal(status, 'cancelled');
  assert.deepEqual([...(await tasks.finishedSteps(id)).values()], [{ attempt: 1, result: '"had its effect"' }]);
});

test('a task that makes progress may go on beyond its attempts, and one that makes none fails', async (t) => {
  const { run } = await setup(t);
  for (let turn = 1; turn <= 5; turn++) {
    const { status } = await run(async (context) => {
      for (let n = 1; n <= turn; n++) await context.step(`turn:${n}`, { effect: 'none', run: async () => n });
      throw busy();
    });
    assert.equal(status, 'queued', `turn ${turn}`);
  }
  const none = async () => {
    throw busy();
  };
  await run(none);
  assert.equal((await run(none)).status, 'failed');
});

test('what a finished step used counts once, whatever became of its attempt, and the rest of a void attempt is wasted', async (t) => {
  const { run } = await setup(t);
  const ask = { messages: [{ role: 'user' as const, content: 'What is a queue?' }], model: 'builtin/extract' };
  const consume = async (llm: Context['llm']) => {
    for await (const _ of llm.chat(ask));
    return null;
  };
  const first = await run(async ({ step, llm }) => {
    await step('turn', { effect: 'none', run: ({ llm: own }) => consume(own) });
    await consume(llm);
    throw busy();
  });
  const each = first.usage?.wastedTokens ?? 0;
  assert.ok(each > 0);
  assert.equal((first.usage?.inputTokens ?? 0) + (first.usage?.outputTokens ?? 0), 2 * each);
  const last = await run(async ({ step }) => {
    await step('turn', { effect: 'none', run: ({ llm: own }) => consume(own) });
    return {};
  });
  assert.deepEqual(last.usage, first.usage);
});

test('a result that is too large is refused, and a key that is taken twice is a fault of the handler', async (t) => {
  const { run } = await setup(t, { MAX_STEP_BYTES: '1024' });
  const large = await run((context) =>
    context.step('large', { effect: 'none', run: async () => ({ text: 'x'.repeat(2_000) }) }),
  );
  assert.deepEqual([large.status, large.error?.code], ['failed', 'output_too_large']);
  const other = await setup(t);
  const twice = await other.run(async ({ step }) => {
    await step('same', { effect: 'none', run: async () => 1 });
    await step('same', { effect: 'none', run: async () => 2 });
    return {};
  });
  assert.equal(twice.status, 'queued');
  assert.equal(twice.failures, 1);
});
