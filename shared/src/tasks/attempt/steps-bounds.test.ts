/** What bounds steps: the end of their attempt, their keys, and how much all of them may take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledTask } from '../../../../scripts/testing/handled-task.ts';
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';

const setup = handledTask();
const busy = () => new TaskError('provider_busy', 'not now');
const fails = async () => {
  throw busy();
};

test('a step that the last attempt finished forgets the failures before it, and the task goes on', async (t) => {
  const { run } = await setup(t);
  await run(fails);
  await run(fails);
  const third = await run(async ({ step }) => {
    await step('one', { effect: 'none', run: async () => 1 });
    throw busy();
  });
  assert.deepEqual([third.status, third.failures], ['queued', 1]);
});

test('what a handler left running when it threw begins no further step: no effect is lost', async (t) => {
  const { run, tasks, id } = await setup(t);
  let effects = 0;
  const left: Promise<unknown>[] = [];
  const second = Promise.withResolvers<void>();
  await run(async ({ step }) => {
    const branch = async () => {
      for (let n = 1; ; n++) {
        await step(`${n}`, {
          effect: 'once',
          async run() {
            effects++;
            if (n === 2) second.resolve();
            // Longer than the rest of the attempt takes, but for its wait for this.
            await new Promise((resolve) => setTimeout(resolve, 50));
          },
        });
      }
    };
    left.push(assert.rejects(branch(), /has ended/));
    await second.promise;
    throw busy();
  });
  await Promise.all(left);
  assert.equal(effects, 2);
  assert.deepEqual([...(await tasks.finishedSteps(id)).keys()].sort(), ['1', '2']);
});

test('what a handler left running is told to end when its attempt is over', async (t) => {
  const { run } = await setup(t);
  const told = Promise.withResolvers<void>();
  await run(async ({ signal }) => {
    signal.addEventListener('abort', () => told.resolve(), { once: true });
    return {};
  });
  await told.promise;
});

test('keys are texts of a bounded length that Redis keeps apart', async (t) => {
  const { run } = await setup(t);
  await run(async ({ step }) => {
    const keep = (key: string) => step(key, { effect: 'none', run: async () => key });
    await assert.rejects(keep('\ud800'), /surrogate/);
    await assert.rejects(keep('k'.repeat(513)), /512/);
    for (const key of ['', 'k'.repeat(512), '__proto__', 'constructor', 'a|b\n|done|1|', '😀']) {
      assert.equal(await keep(key), key);
    }
    throw busy();
  });
  const again = await run(async ({ step }) => {
    const found: string[] = [];
    for (const key of ['', '__proto__', 'constructor', 'a|b\n|done|1|', '😀']) {
      found.push(await step(key, { effect: 'none', run: async () => 'run again' }));
    }
    return { found };
  });
  assert.deepEqual(JSON.parse(again.output ?? '').found, ['', '__proto__', 'constructor', 'a|b\n|done|1|', '😀']);
});

test('keys count with results, and a step that would be too much is refused before it has its effect', async (t) => {
  const { run, redis, keys, id } = await setup(t, { env: { MAX_STEPS_BYTES: '10000' } });
  let effects = 0;
  const { status, error } = await run(async ({ step }) => {
    for (let n = 0; n < 1_000; n++) {
      await step(`${n}`.padEnd(500), {
        effect: 'once',
        async run() {
          effects++;
        },
      });
    }
    return {};
  });
  assert.deepEqual([status, error?.code], ['failed', 'output_too_large']);
  const kept = Object.entries(await redis.hgetall(keys.steps(0, id)));
  assert.equal(kept.length, effects);
  const bytes = kept.reduce((sum, [key, text]) => sum + key.length + text.length, 0);
  assert.ok(bytes <= 10_000);
  assert.equal(Number(await redis.hget(keys.task(0, id), 'steps_bytes')), bytes);
});

test('a person is asked before a step that has its effect once, never in the midst of it', async (t) => {
  const { run } = await setup(t);
  const ask = ({ approve }: Context) => approve({ key: 'may I', tool: 'mail', arguments: {}, expiresInMs: 60_000 });
  const { status } = await run(async (context) => {
    await assert.rejects(context.step('once', { effect: 'once', run: () => ask(context) }), /ask before it/);
    await context.step('many', { effect: 'idempotent', run: () => ask(context) });
    return {};
  });
  assert.equal(status, 'input_required');
});
