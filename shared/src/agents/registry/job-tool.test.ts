/** A job type as a tool: what its handler finds in the attempt that calls it, and what it leaves there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { handledTask } from '../../../../scripts/testing/handled-task.ts';
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import { defineJobType } from '../../job-type.ts';
import { answerApproval } from '../../tasks/answer-approval.ts';
import type { ToolContext } from '../tool.ts';
import { jobTool } from './job-tool.ts';
import { optionsOf } from './options.ts';
import { toolContext } from './services.ts';

const setup = handledTask();

/** A job type of the test's, whose handler is `run`. */
const greeting = (run: (input: { name: string; tone: string }, context: Context) => Promise<{ said: string }>) =>
  defineJobType({
    ...{ name: 'greeting.say', concurrency: 1, attempts: 1, timeoutMs: 60_000, run },
    input: z.strictObject({ name: z.string().min(1), tone: z.string() }),
    output: z.object({ said: z.string() }),
    asTool: {
      ...{ name: 'say_greeting', title: { en: 'Greeting' }, description: 'Greets somebody.', intents: ['chat'] },
      input: z.strictObject({ whom: z.string() }),
      options: z.strictObject({ tone: z.string().default('warm') }),
      inputOf: ({ whom }, { query }, { tone }) => ({ name: `${whom} (${query})`, tone: String(tone) }),
    },
  });

/** Calls it in a step, as an agent does, and gives what it gave. */
async function call(context: Context, type: ReturnType<typeof greeting>, options: Record<string, unknown> = {}) {
  const tool = jobTool(type);
  assert.ok(tool);
  const said: string[] = [];
  const result = await context.step('turn:1/call:1', {
    effect: tool.effect,
    run: (step) =>
      tool.run(
        tool.input.parse({ whom: 'Anna' }),
        toolContext(context, step, {
          ...{ key: 'turn:1/call:1', query: 'hi', messages: [], results: [], model: undefined, settings: {} },
          text: async (content) => void said.push(`text ${content}`),
          progress: async (...how) => void said.push(`progress ${how.join(' ')}`),
        }),
        optionsOf(tool, options),
      ),
  });
  return { result, said };
}

test('its handler gets the input that is made of a call, and what it says is what the tool says', async (t) => {
  const { run, events, id } = await setup(t);
  const type = greeting(async ({ name, tone }, { emit, keep, inbox, closeInbox }) => {
    await emit('progress', { step: 'thinking', message: 'of a word', progress: 0.5 });
    await emit.text(`${tone}: hello ${name}`);
    await emit('text_done', { total_length: 5 });
    await emit('sources', { sources: [] });
    keep('what is its own');
    assert.deepEqual([await inbox('x'), await closeInbox()], [[], true]);
    return { said: name };
  });
  const { output, status } = await run(async (context) => call(context, type, { tone: 'cold' }));
  assert.equal(status, 'completed');
  assert.deepEqual(JSON.parse(output ?? ''), {
    result: { said: 'Anna (hi)' },
    said: ['progress thinking of a word 0.5', 'text cold: hello Anna (hi)'],
  });
  const types = (await events(id)).map(({ type: name }) => name);
  assert.deepEqual(types, ['queued', 'started', 'sources', 'done']);
});

test('its steps are steps of the task: a later attempt does not do them again', async (t) => {
  const { run } = await setup(t);
  const done: string[] = [];
  let fails = true;
  const type = greeting(async ({ name }, { step }) => {
    await step('think', {
      effect: 'once',
      async run() {
        done.push('think');
      },
    });
    if (fails) throw new TaskError('provider_busy', 'not now');
    done.push('say');
    return { said: name };
  });
  assert.equal((await run(async (context) => call(context, type))).status, 'queued');
  fails = false;
  assert.equal((await run(async (context) => call(context, type))).status, 'completed');
  assert.deepEqual(done, ['think', 'say']);
});

test('what it asks a person parks the task, and it gets the answer in the next attempt', async (t) => {
  const { run, deps, id } = await setup(t);
  const type = greeting(async (_, { approve }) => {
    const { action } = await approve({ key: 'may I', tool: 'greet', arguments: { loud: true }, expiresInMs: 60_000 });
    return { said: action };
  });
  const parked = await run(async (context) => call(context, type));
  assert.equal(parked.status, 'input_required');
  const { approval } = parked;
  assert.ok(approval);
  const reply = { approvalId: approval.approval_id, asked: 'greet', action: 'run', by: 'anna' };
  await answerApproval(deps, { id, type: 'works' }, reply);
  const { status, output } = await run(async (context) => call(context, type));
  assert.deepEqual([status, JSON.parse(output ?? '').result], ['completed', { said: 'run' }]);
});

test('one that has its effect once asks no person in its midst: it says so, and no attempt fails', async (t) => {
  const { run } = await setup(t);
  const type = greeting(async (_, { approve }) => {
    await approve({ key: 'may I', tool: 'greet', arguments: {}, expiresInMs: 60_000 });
    return { said: '' };
  });
  const once = { ...type, mayRestart: false };
  const asked = await run(async (context) => {
    await assert.rejects(call(context, once), { code: 'internal', message: /say_greeting cannot ask a person/ });
    return { result: { said: 'on' } };
  });
  assert.equal(asked.status, 'completed');
});

test('one that may be started again has no effect to guard, and one that may not has it once', () => {
  const run = async () => ({ said: '' });
  const once = { ...greeting(run), mayRestart: false };
  assert.deepEqual([jobTool(greeting(run))?.effect, jobTool(once)?.effect], ['none', 'once']);
  assert.equal(jobTool({ ...once, asTool: { ...once.asTool, effect: 'idempotent' } as never })?.effect, 'idempotent');
});

test('one that is asked a query is asked the user’s where no model writes its arguments', () => {
  const ask = defineJobType({
    ...{ name: 'ask.it', concurrency: 1, attempts: 1, timeoutMs: 60_000, run: async () => ({}) },
    input: z.strictObject({ query: z.string() }),
    output: z.object({}),
    asTool: { name: 'ask', title: { en: 'Ask' }, description: 'Asks.', intents: ['rag'] },
  });
  assert.deepEqual(jobTool(ask)?.argumentsOf?.('why?', []), { query: 'why?' });
  assert.equal(jobTool(greeting(async () => ({ said: '' })))?.argumentsOf, undefined);
});

test('an input that is made of a call is checked, and one that is the call itself is taken as it was checked', async () => {
  const shout = defineJobType({
    ...{ name: 'shout.it', concurrency: 1, attempts: 1, timeoutMs: 60_000 },
    input: z.strictObject({ text: z.string().transform((text) => `${text}!`) }),
    output: z.object({ said: z.string() }),
    run: async ({ text }) => ({ said: text }),
    asTool: { name: 'shout', title: { en: 'Shout' }, description: 'Shouts.', intents: ['chat'] },
  });
  const none = {} as ToolContext;
  const whole = jobTool(shout);
  assert.deepEqual(await whole?.run(whole.input.parse({ text: 'a' }), none, {}), { said: 'a!' });
  const made = jobTool({
    ...shout,
    asTool: {
      ...shout.asTool,
      input: z.strictObject({}),
      inputOf: (_: unknown, { query }: ToolContext) => ({ text: query }),
    } as never,
  });
  const asked = (query: unknown) => made?.run({}, { query } as ToolContext, {});
  assert.deepEqual(await asked('b'), { said: 'b!' });
  await assert.rejects(async () => asked(5), { code: 'invalid_request', message: /: text: must be a text$/ });
});
