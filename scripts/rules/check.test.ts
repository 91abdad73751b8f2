import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from './check.ts';

/** A tree that breaks nothing. */
const tree = {
  'shared/src/task.ts': `export type Task = string;`,
  'shared/src/job-type.ts': `import type { Task } from './task.ts';`,
  'shared/src/text.ts': `import { z } from 'zod';\nexport const Text = z.string();`,
  'shared/src/redis/connect.ts': `import { Redis } from 'ioredis';\nimport type { Task } from '../task.ts';`,
  'shared/src/store/sqlite/thread.ts': `import { DatabaseSync } from 'node:sqlite';\nimport './rows.ts';`,
  'shared/src/store/sqlite/rows.ts': `import type { z } from 'zod';\nimport type { Text } from '../../text.ts';`,
  'shared/src/models/llm.ts': `import '../task.ts';`,
  'shared/src/fetch/connect.ts': `import { buildConnector } from 'undici';\nimport '../task.ts';`,
  'shared/src/agents/tools/page.ts': `import type { Fetch } from '../../fetch/connect.ts';`,
  'shared/src/record/create.ts': `import type { Redis } from '../redis/connect.ts';`,
  'shared/src/record/scripts/create.lua': `#!lua\nreturn 1`,
  'shared/src/queue/queue.ts': `import { Queue } from 'bullmq';\nimport '../record/create.ts';`,
  'shared/src/tasks/submit-task.ts': `import '../queue/queue.ts';`,
  'shared/src/tasks/read-task.ts': `import '../store/sqlite/rows.ts';`,
  'shared/src/sessions/turns.ts': `import '../tasks/read-task.ts';`,
  'shared/src/sessions/post-message.ts': `import '../tasks/submit-task.ts';`,
  'shared/src/flow/limits.ts': `import '../redis/connect.ts';`,
  'shared/src/jobs/chat/answer.ts': `import type { JobType } from '../../job-type.ts';`,
  'shared/src/jobs/chat/chat-request.ts': `import './answer.ts';\nimport '../../sessions/turns.ts';`,
  'shared/src/jobs/session/title.ts': `export const title = 1;`,
  'shared/src/jobs/catalog.ts': `import './chat/chat-request.ts';`,
  'shared/src/deps.ts': `import './queue/queue.ts';`,
  'shared/src/wire.ts': `import './deps.ts';\nimport './jobs/catalog.ts';`,
  'apps/api/src/main.ts': `import { wire } from '@beanline/shared/wire.ts';`,
  'apps/api/src/app.ts': `import { Hono } from 'hono';\nimport '@beanline/shared/tasks/submit-task.ts';`,
  'workers/runner/src/runner.ts': `import type { Deps } from '@beanline/shared/deps.ts';`,
  'scripts/keys.ts': `import { Redis } from 'ioredis';`,
  'scripts/testing/system.ts': `import assert from 'node:assert/strict';\nimport '@beanline/shared/wire.ts';`,
  'shared/src/text.test.ts': `import { test } from 'node:test';\nimport '../../scripts/testing/system.ts';`,
};

const problems = (change: Record<string, string>, exceptions: string[] = []) =>
  check(
    Object.entries({ ...tree, ...change }).map(([path, text]) => ({ path, text })),
    exceptions,
  );

test('a tree that keeps to the rules has no problem', () => assert.deepEqual(problems({}), []));

/** Each file by itself breaks a rule: what the message begins with, the file, its text. */
const violations: [problem: string, file: string, text: string][] = [
  [':1 tier', 'shared/src/new.ts', `import './redis/connect.ts';`],
  [':1 tier', 'shared/src/new.ts', `import './deps.ts';`],
  [':1 tier', 'shared/src/redis/new.ts', `import '../record/create.ts';`],
  [':1 tier', 'shared/src/store/new.ts', `import '../tasks/read-task.ts';`],
  [':1 tier', 'shared/src/models/new.ts', `import '../sessions/turns.ts';`],
  [':1 tier', 'shared/src/fetch/new.ts', `import '../agents/tools/page.ts';`],
  [':1 tier', 'shared/src/record/new.ts', `import '../tasks/submit-task.ts';`],
  [':1 tier', 'shared/src/outbox/new.ts', `import '../flow/limits.ts';`],
  [':1 tier', 'shared/src/tasks/new.ts', `import '../jobs/catalog.ts';`],
  [':1 tier', 'shared/src/tasks/new.ts', `import type { Deps } from '../deps.ts';`],
  [':1 tier', 'shared/src/sessions/new.ts', `import '../jobs/session/title.ts';`],
  [':1 tier', 'shared/src/flow/new.ts', `import type { Deps } from '../deps.ts';`],
  [':1 tier', 'shared/src/jobs/chat/new.ts', `import '../../wire.ts';`],
  [':1 tier', 'shared/src/wire.ts', `import '../../apps/api/src/app.ts';`],
  [':1 tier', 'shared/src/live/new.ts', `import '@beanline/api/src/app.ts';`],
  [':1 part', 'shared/src/flow/new.ts', `import '../sessions/turns.ts';`],
  [':1 part', 'shared/src/agents/tools/new.ts', `import '../../flow/limits.ts';`],
  [':1 kernel', 'shared/src/tasks/new.ts', `import '../sessions/turns.ts';`],
  [':1 verb', 'shared/src/tasks/new.ts', `import './submit-task.ts';`],
  [':1 verb', 'shared/src/sessions/new.ts', `import './post-message.ts';`],
  [':1 verb', 'shared/src/jobs/chat/new.ts', `import '../../sessions/post-message.ts';`],
  [':1 verb', 'shared/src/program.ts', `import './tasks/submit-task.ts';`],
  [':1 job', 'shared/src/jobs/chat/new.ts', `import '../session/title.ts';`],
  [':1 job', 'shared/src/jobs/chat/new.ts', `import '../catalog.ts';`],
  [':1 job', 'shared/src/jobs/chat/new.ts', `import '../../redis/connect.ts';`],
  [':1 job', 'shared/src/jobs/chat/new.ts', `import '../../task.ts';`],
  [':1 job', 'shared/src/jobs/chat/new.ts', `import '../../tasks/submit-task.ts';`],
  [':1 job', 'shared/src/jobs/catalog.ts', `import '../models/llm.ts';`],
  [':1 program', 'apps/api/src/new.ts', `import '@beanline/runner/src/runner.ts';`],
  [':1 program', 'apps/mcp/src/new.ts', `import '../../api/src/app.ts';`],
  [':1 program', 'workers/relay/src/new.ts', `import '../../../apps/api/src/app.ts';`],
  [':1 program', 'workers/relay/src/new.ts', `import '../../runner/src/runner.ts';`],
  [':1 wiring', 'apps/api/src/new.ts', `import { wire } from '@beanline/shared/wire.ts';`],
  [':1 wiring', 'workers/runner/src/new.ts', `import { wire } from '@beanline/shared/wire.ts';`],
  [':1 script', 'shared/src/new.ts', `import '../../scripts/keys.ts';`],
  [':1 test-code', 'shared/src/new.ts', `import './text.test.ts';`],
  [':1 test-code', 'scripts/new.ts', `import './testing/system.ts';`],
  [':1 test-code', 'shared/src/store/new.ts', `import './contract/tasks.ts';`],
  [':1 test-code', 'scripts/start/new.ts', `import '../faults/checks.ts';`],
  [':1 test-code', 'scripts/new.ts', `import './bench/machine.ts';`],
  [':1 test-code', 'shared/src/new.ts', `import assert from 'node:assert/strict';`],
  [':1 test-code', 'apps/api/src/new.ts', `import { test } from 'node:test';`],
  [':1 library → @hono/node-server', 'shared/src/new.ts', `import { serve } from '@hono/node-server';`],
  [':1 library → bullmq', 'shared/src/record/new.ts', `import { Queue } from 'bullmq';`],
  [':1 library → eventsource-parser', 'shared/src/models/new.ts', `import { createParser } from 'eventsource-parser';`],
  [':1 library → gpt-tokenizer', 'shared/src/models/new.ts', `import 'gpt-tokenizer';`],
  [
    ':1 library → gpt-tokenizer/encoding/o200k_base',
    'shared/src/new.ts',
    `await import('gpt-tokenizer/encoding/o200k_base');`,
  ],
  [':1 library → hono', 'workers/relay/src/new.ts', `import { Hono } from 'hono';`],
  [':1 library → ioredis', 'shared/src/queue/new.ts', `import { Redis } from 'ioredis';`],
  [':1 library → ioredis', 'apps/api/src/new.ts', `import type { Redis } from 'ioredis';`],
  [':1 library → mongodb', 'shared/src/store/new.ts', `import { MongoClient } from 'mongodb';`],
  [':1 library → node:module', 'shared/src/new.ts', `import { createRequire } from 'node:module';`],
  [':1 library → node:http', 'shared/src/agents/tools/new.ts', `import { get } from 'node:http';`],
  [':1 library → node:https', 'shared/src/agents/tools/new.ts', `import { get } from 'node:https';`],
  [':1 library → node:process', 'shared/src/new.ts', `import { env } from 'node:process';`],
  [':1 library → node:sqlite', 'shared/src/store/new.ts', `import { DatabaseSync } from 'node:sqlite';`],
  [':1 library → ollama', 'shared/src/models/providers/ollama.ts', `import { Ollama } from 'ollama';`],
  [':1 library → ollama/browser', 'shared/src/models/new.ts', `import { Ollama } from 'ollama/browser';`],
  [':1 library → openai', 'shared/src/models/providers/new.ts', `import { OpenAI } from 'openai';`],
  [':1 library → openai/resources', 'shared/src/new.ts', `import type { Chat } from 'openai/resources';`],
  [':1 library → pino', 'shared/src/program.ts', `import { pino } from 'pino';`],
  [':1 library → rate-limiter-flexible', 'shared/src/new.ts', `import 'rate-limiter-flexible';`],
  [':1 library → swagger-ui-dist', 'shared/src/new.ts', `import 'swagger-ui-dist';`],
  [':1 library → ipaddr.js', 'shared/src/agents/tools/new.ts', `import ipaddr from 'ipaddr.js';`],
  [':1 library → jsep', 'shared/src/agents/tools/new.ts', `import jsep from 'jsep';`],
  [':1 library → parse5', 'shared/src/agents/tools/new.ts', `import { parse } from 'parse5';`],
  [':1 library → undici', 'shared/src/agents/tools/new.ts', `import { fetch } from 'undici';`],
  [':1 library → undici', 'shared/src/models/providers/new.ts', `import { Agent } from 'undici';`],
  [':1 library → zod-openapi', 'shared/src/new.ts', `import 'zod-openapi';`],
  [':2 unreached → shared/src/text.ts', 'shared/src/store/sqlite/thread.ts', `\nimport { Text } from '../../text.ts';`],
  [':2 nameless', 'shared/src/queue/new.ts', `\nexport const sessionOf = 1;`],
  [':2 nameless', 'shared/src/record/scripts/create.lua', `#!lua\nlocal session = 1`],
  [':2 nameless', 'shared/src/job-type.ts', `\nexport type SessionOf = string;`],
  [':1 provider', 'shared/src/tasks/new.ts', `export const isOpenAI = (provider: string) => provider === 'openai';`],
  [
    ':1 provider',
    'workers/runner/src/new.ts',
    `import { Ollama } from '../../../shared/src/models/providers/ollama.ts';`,
  ],
  [':1 variable', 'shared/src/config.ts', `const Environment = z.object({ PORT: z.string() });`],
  [':2 route', 'apps/api/src/routes/new.ts', `\napp.get('/new', (c) => c.text('new'));`],
];

for (const [problem, file, text] of violations) {
  test(`${file} with ${JSON.stringify(text)} breaks ${problem}`, () => {
    const found = problems({ [file]: text });
    assert.ok(
      found.some((message) => message.startsWith(`${file}${problem}`)),
      found.join('\n') || 'nothing was found',
    );
  });
}

test('two rooms do not import each other, by different files either', () => {
  assert.deepEqual(
    problems({
      'shared/src/record/create.ts': `import '../queue/presence.ts';`,
      'shared/src/queue/presence.ts': '',
    }),
    ['shared/src/queue/queue.ts:2 room-cycle → shared/src/record: shared/src/record → shared/src/queue'],
  );
});

test('a cycle is told once, with its way', () => {
  const change = {
    'shared/src/a.ts': `import './b.ts';`,
    'shared/src/b.ts': `import type {} from './c.ts';`,
    'shared/src/c.ts': `import './a.ts';`,
  };
  assert.deepEqual(problems(change), [
    'shared/src/a.ts:1 cycle → shared/src/b.ts: shared/src/b.ts → shared/src/c.ts → shared/src/a.ts',
  ]);
});

/** Every form in which one file names another. */
const forms = [
  `import '../queue/queue.ts';`,
  `import { queue } from '../queue/queue.ts';`,
  `import type { Queue } from '../queue/queue.ts';`,
  `import { type Queue } from '../queue/queue.ts';`,
  `import * as queue from '../queue/queue.ts';`,
  `export { queue } from '../queue/queue.ts';`,
  `export type { Queue } from '../queue/queue.ts';`,
  `export * from '../queue/queue.ts';`,
  `const queue = async () => await import('../queue/queue.ts');`,
  `type Queue = Array<import('../queue/queue.ts').Queue>;`,
  `type Queue = ReturnType<typeof import('../queue/queue.ts').queue>;`,
  `declare module '../queue/queue.ts' { interface Queue { session: string } }`,
  `import { queue } from '@beanline/shared/queue/queue.ts';`,
  `await using queue = await (await import('../queue/queue.ts')).open();`,
];
for (const form of forms) {
  test(`an import is seen as ${form}`, () => {
    const [problem = ''] = problems({ 'shared/src/redis/new.ts': `\n\n${form}` });
    assert.match(problem, /^shared\/src\/redis\/new\.ts:3 tier → shared\/src\/queue\/queue\.ts: /);
  });
}

test('an import over several lines is told at its first', () => {
  const [problem = ''] = problems({ 'shared/src/redis/new.ts': `import {\n  queue,\n} from '../queue/queue.ts';` });
  assert.match(problem, /^shared\/src\/redis\/new\.ts:1 tier/);
});

test('a room has at most 15 files, and the nouns with the wiring 24; tests do not count', () => {
  const fill = (room: string, count: number, suffix: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${room}/file-${index}${suffix}`, '']));
  assert.deepEqual(
    problems({ ...fill('shared/src/owners', 15, '.ts'), ...fill('shared/src/owners', 9, '.test.ts') }),
    [],
  );
  assert.match(problems(fill('shared/src/owners', 16, '.ts'))[0] ?? '', /^shared\/src\/owners:16 room-files/);
  assert.deepEqual(problems(fill('shared/src', 19, '.ts')), []);
  assert.match(problems(fill('shared/src', 20, '.ts'))[0] ?? '', /^shared\/src:25 room-files/);
});

test('an exception is let pass, and is an error itself when it is none any more', () => {
  const change = { 'shared/src/redis/new.ts': `import 'bullmq';` };
  const exception = 'shared/src/redis/new.ts library → bullmq';
  assert.deepEqual(problems(change, [exception]), []);
  assert.deepEqual(problems({}, [exception]), [`no exception any more: ${exception}`]);
});
