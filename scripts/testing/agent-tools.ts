/** Job types of the tests that are tools of agents, one for each effect. They write what they did into a file. */
import { appendFile } from 'node:fs/promises';
import { defineJobType, type JobType } from '@beanline/shared/job-type.ts';
import { z } from 'zod';
import { linesOf } from './lines-of.ts';

const tool = { concurrency: 1, attempts: 1, timeoutMs: 60_000 };
const Note = z.strictObject({
  to: z.string().min(1).meta({ description: 'Who gets it' }),
  file: z.string().meta({ description: 'Where what was done is written' }),
});
const Done = z.object({ done: z.string() });
const title = (en: string) => ({ title: { en } });

/** Has its effect once. A person is asked before it goes to somebody important. */
const send = defineJobType({
  ...tool,
  name: 'test.send',
  asTool: {
    ...title('Send'),
    name: 'send',
    description: 'Sends a note.',
    intents: ['google_gmail'],
    effect: 'once',
    approval: (args) => String(args.to).startsWith('vip'),
  },
  input: Note,
  output: Done,
  async run({ to, file }) {
    await appendFile(file, `${to}\n`);
    return { done: `sent to ${to}` };
  },
});

/** Has its effect once, and can tell whether it had it. */
const book = defineJobType({
  ...tool,
  name: 'test.book',
  asTool: {
    ...title('Book'),
    name: 'book',
    description: 'Books a seat.',
    intents: ['agent'],
    effect: 'once',
    async reconcile({ to, file }) {
      return linesOf(String(file)).includes(String(to)) ? { result: { done: `booked for ${to}` } } : null;
    },
  },
  input: Note,
  output: Done,
  async run({ to, file }) {
    await appendFile(file, `${to}\n`);
    return { done: `booked for ${to}` };
  },
});

/** Has the same effect under the same key. */
const put = defineJobType({
  ...tool,
  name: 'test.put',
  asTool: { ...title('Put'), name: 'put', description: 'Puts a note.', intents: ['agent'], effect: 'idempotent' },
  input: Note,
  output: Done,
  async run({ to, file }, { emit }) {
    await emit('progress', { step: 'putting', progress: 0.5 });
    await appendFile(file, `put ${to}\n`);
    return { done: `put for ${to}` };
  },
});

/** Has none. What it finds is told by the one who calls. */
const look = defineJobType({
  ...tool,
  name: 'test.look',
  asTool: { ...title('Look'), name: 'look', description: 'Looks something up.', intents: ['rag'], effect: 'none' },
  input: z.strictObject({ found: z.string() }),
  output: z.object({ found: z.string() }),
  async run({ found }, { emit }) {
    await emit.text('looked ');
    return { found };
  },
});

/** Asks a person in the midst of it. */
const asks = defineJobType({
  ...tool,
  name: 'test.asks',
  asTool: { ...title('Asks'), name: 'asks', description: 'Asks a person.', intents: ['agent'] },
  input: z.strictObject({ what: z.string() }),
  output: z.object({ answer: z.string() }),
  async run({ what }, { approve, step, emit }) {
    await step('said', {
      effect: 'none',
      async run() {
        await emit.text(`may I ${what}? `);
      },
    });
    const { action } = await approve({ key: 'may I', tool: 'do_it', arguments: { what }, expiresInMs: 60_000 });
    return { answer: `${action} ${what}` };
  },
});

/** Needs a key on its runner. */
const keyed = defineJobType({
  ...tool,
  name: 'test.keyed',
  asTool: {
    ...title('Keyed'),
    ...{ name: 'keyed', description: 'Needs a key.', intents: ['agent'], needs: [{ key: 'TEST_TOOL_KEY' }] },
  },
  input: z.strictObject({}),
  output: Done,
  run: async () => ({ done: 'with the key' }),
});

/** Fails by what nobody expected. */
const broken = defineJobType({
  ...tool,
  name: 'test.broken',
  asTool: { ...title('Broken'), name: 'broken', description: 'Fails.', intents: ['agent'] },
  input: z.strictObject({}),
  output: Done,
  async run() {
    throw new Error('a secret of the machine');
  },
});

/** Never ends, whatever it is told. */
const hang = defineJobType({
  ...tool,
  name: 'test.hang',
  asTool: { ...title('Hang'), name: 'hang', description: 'Never ends.', intents: ['agent'], effect: 'once' },
  input: z.strictObject({}),
  output: Done,
  run: () => new Promise<never>(() => undefined),
});

export const agentTools: JobType[] = [send, book, put, look, asks, keyed, broken, hang];
