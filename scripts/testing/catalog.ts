/** Job types of the tests, beside the real ones: what no public job type does yet. */

import { appendFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { optionsOf } from '@beanline/shared/agents/registry/options.ts';
import { toolContext } from '@beanline/shared/agents/registry/services.ts';
import { StepUnknown } from '@beanline/shared/context.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { eventData } from '@beanline/shared/event-data.ts';
import { type Catalog, defineJobType } from '@beanline/shared/job-type.ts';
import { catalog } from '@beanline/shared/jobs/catalog.ts';
import { SessionId } from '@beanline/shared/session.ts';
import { z } from 'zod';
import { agentTools } from './agent-tools.ts';

const Nothing = z.strictObject({});

/** Asks for approval, once or more often, and says what was answered. */
const testApproval = defineJobType({
  name: 'test.approval',
  concurrency: 10,
  attempts: 3,
  timeoutMs: 60_000,
  input: z.strictObject({
    questions: z.array(z.string()).min(1),
    /** Of each question; the last one also of those that follow. */
    expires_in_ms: z.union([z.int(), z.array(z.int()).min(1)]).default(60_000),
    on_expiry: z.enum(['expire', 'resume']).default('expire'),
    session_id: SessionId.optional(),
  }),
  output: z.object({ answers: z.array(z.string()) }),
  answerProblems: (_, { results = [] }) =>
    results.flatMap(({ id }, index) =>
      id === '' || id.startsWith('call') ? [] : [{ path: `results[${index}].id`, message: 'names no call' }],
    ),
  sessionOf: ({ session_id }) => session_id,
  async run(input, { approve, emit }) {
    const answers: string[] = [];
    const expiries = [input.expires_in_ms].flat();
    for (const [index, question] of input.questions.entries()) {
      await emit.text(`asked ${question} `);
      const { action, results } = await approve({
        key: question,
        tool: question,
        arguments: { question },
        expiresInMs: expiries[index] ?? expiries.at(-1) ?? 60_000,
        onExpiry: input.on_expiry,
        ...(question === 'functions' ? { actions: ['results', 'cancel'] } : {}),
      });
      answers.push(results ? JSON.stringify(results) : action);
    }
    return { answers };
  },
});

/** Kills its own process: a poison task. */
const testPoison = defineJobType({
  name: 'test.poison',
  concurrency: 1,
  attempts: 2,
  timeoutMs: 60_000,
  input: Nothing,
  output: Nothing,
  async run() {
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => undefined);
    return {};
  },
});

/** May not be run again after its worker was lost. */
const testOnce = defineJobType({
  name: 'test.once',
  concurrency: 1,
  attempts: 5,
  timeoutMs: 60_000,
  mayRestart: false,
  input: Nothing,
  output: Nothing,
  async run(_input, { emit, signal }) {
    await emit('progress', { step: 'waiting', progress: 0.5 });
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    return {};
  },
});

/** Gives an output that does not have its shape. */
const testBadOutput = defineJobType({
  name: 'test.bad-output',
  concurrency: 1,
  attempts: 2,
  timeoutMs: 60_000,
  input: Nothing,
  output: z.object({ answer: z.number() }),
  async run() {
    return { answer: 'forty-two' as unknown as number };
  },
});

/** An event of a later release. */
export const HOLOGRAM = { tool: 'projector', depth: 12.5, layers: [], nested: { empty: {}, text: '홀로그램\n' } };

/** The later release knows its event, as a release knows every event its handlers emit. */
if (process.env.TEST_VERSION === '2') Object.assign(eventData, { hologram: z.looseObject({}) });

/** Has the version its program is told: an old and a new release of one job type. The new one says what the old does not know. */
const testVersioned = defineJobType({
  name: 'test.versioned',
  version: Number(process.env.TEST_VERSION ?? '1'),
  concurrency: 1,
  attempts: 1,
  timeoutMs: 60_000,
  input: Nothing,
  output: z.object({ version: z.number() }),
  async run(_input, { emit }) {
    if (process.env.TEST_VERSION === '2') await emit('hologram' as 'tool_start', HOLOGRAM);
    return { version: Number(process.env.TEST_VERSION ?? '1') };
  },
});

/** Four steps: two that only say something, one that writes a line once, one that may write it again under its key. */
const testSteps = defineJobType({
  name: 'test.steps',
  concurrency: 10,
  attempts: 3,
  timeoutMs: 60_000,
  input: z.strictObject({ file: z.string() }),
  output: z.object({ content: z.string() }),
  async run({ file }, { step, emit }) {
    let content = '';
    const say = async (said: string) => {
      await emit.text(said);
      return said;
    };
    const speak = (key: string) => step(key, { effect: 'none', run: () => say(`${key} `), show: emit.text });
    content += await speak('one');
    content += await step('two', {
      effect: 'once',
      async run() {
        await appendFile(file, 'two\n');
        return say('two ');
      },
      show: emit.text,
    }).catch(async (error) => {
      if (!(error instanceof StepUnknown)) throw error;
      return say('unknown ');
    });
    content += await step('three', {
      effect: 'idempotent',
      async run({ idempotencyKey }) {
        await appendFile(file, `${idempotencyKey}\n`);
        return say('three ');
      },
      show: emit.text,
    });
    content += await speak('four');
    return { content };
  },
});

/** Calls one tool as an agent does, in a step of its own. */
const testTool = defineJobType({
  name: 'test.tool',
  concurrency: 10,
  attempts: 1,
  timeoutMs: 60_000,
  callsTools: true,
  input: z.strictObject({
    tool: z.string(),
    arguments: z.record(z.string(), z.unknown()).default({}),
    options: z.record(z.string(), z.unknown()).default({}),
    query: z.string().default('hello'),
    results: z.array(z.strictObject({ tool: z.string(), result: z.unknown() })).default([]),
  }),
  output: z.object({ result: z.unknown() }),
  async run(input, context) {
    const tool = context.tools.offered.get(input.tool);
    if (!tool) throw new TaskError('not_found', `${input.tool} is not offered here`);
    const { query } = input;
    const result = await context.step('call', {
      effect: tool.effect,
      async run(step) {
        const given = toolContext(context, step, {
          ...{ key: 'call', query, model: undefined, settings: {}, messages: [{ role: 'user', content: query }] },
          results: input.results.map((one) => ({ ...one, arguments: {}, status: 'completed' as const })),
          text: (content) => context.emit.text(content, { tool: tool.name }),
          progress: (name, message, done) => context.emit('progress', { step: name, message, progress: done }),
        });
        const ran = tool.run(tool.input.parse(input.arguments), given, optionsOf(tool, input.options));
        return tool.output.parse(await ran);
      },
    });
    return { result };
  },
});

/** Goes on turn by turn until it has heard its last word and nothing is unread. Each turn says how much had been heard by then. */
const testTurns = defineJobType({
  name: 'test.turns',
  concurrency: 20,
  attempts: 3,
  timeoutMs: 60_000,
  takesMessages: true,
  input: z.strictObject({ until: z.string().default('end'), session_id: SessionId.optional() }),
  sessionOf: ({ session_id }) => session_id,
  messageOf: ({ until }) => until,
  output: z.object({ turns: z.array(z.object({ heard: z.array(z.string()), knew: z.number() })) }),
  async run({ until }, { step, inbox, closeInbox, emit }) {
    const turns: { heard: string[]; knew: number }[] = [];
    for (let ended = false; ; ) {
      const key = `turn:${turns.length + 1}`;
      const heard = (await inbox(key)).map(({ content }) => String(content));
      const before = turns.reduce((sum, turn) => sum + turn.heard.length, heard.length);
      const knew = await step(key, {
        effect: 'none',
        async run() {
          await delay(5);
          if (heard.length > 0) await emit.text(`${heard.join(' ')} `);
          return before;
        },
        show: () => emit.text(heard.length > 0 ? `${heard.join(' ')} ` : ''),
      });
      turns.push({ heard, knew });
      ended ||= heard.includes(until);
      if (ended && (await closeInbox())) return { turns };
    }
  },
});

export const testCatalog: Catalog = new Map([
  ...catalog,
  ...agentTools.map((type) => [type.name, type] as const),
  ...[testApproval, testPoison, testOnce, testBadOutput, testVersioned, testSteps, testTool, testTurns].map(
    (type) => [type.name, type] as const,
  ),
]);

/** What a program of the tests offers. A fuzzer must not find the job type that kills its runner: TEST_CATALOG=real. */
export const catalogOf = (env: Record<string, string | undefined>): Catalog | undefined =>
  env.TEST_CATALOG === 'real' ? undefined : testCatalog;
