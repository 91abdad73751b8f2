import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chat, getTask, post } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { type TestRedis, testRedis } from '../../../../scripts/testing/test-redis.ts';

/** Of its own: its keys are counted. */
let redis: TestRedis;
let system: InProcess;
before(async () => {
  redis = await testRedis();
  system = await startInProcess({ redis, runners: 0, relays: 0 });
});
after(async () => {
  await system.stop();
  await redis.stop();
});

/** Longer than it takes from the loading of this file to any of its tests. */
const HOUR = 3_600_000;
const DAY = 86_400_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });

describe('an option within its bounds is accepted', () => {
  const accepted: Record<string, unknown>[] = [
    { delay_ms: 0 },
    { delay_ms: 30 * DAY },
    { run_at: inMs(30 * DAY - HOUR) },
    { run_at: inMs(-DAY) },
    { run_at: '2026-01-01T09:00:00+09:00' },
    { run_at: '2026-01-01T00:00:00Z' },
    { start_by: inMs(HOUR) },
    { start_by: inMs(2 * HOUR), delay_ms: HOUR },
    { timeout_ms: 100 },
    { timeout_ms: DAY },
    { max_attempts: 1 },
    { max_attempts: 100 },
    { patience_ms: 0 },
    { patience_ms: 86_400_000 },
    { metadata: {} },
    { metadata: pairs(16) },
    { metadata: { ['k'.repeat(64)]: 'v'.repeat(512), '': undefined } },
  ];
  for (const options of accepted) {
    test(JSON.stringify(options).slice(0, 80), async () => {
      const { status, text } = await post(system.url, '/api/chat', chat('x', options));
      assert.equal(status, 202, text);
    });
  }
});

describe('a priority is a word or seconds, rounded to minutes', () => {
  for (const [given, stored] of [
    ['high', 600],
    ['normal', 0],
    ['low', -600],
    [0, 0],
    [3600, 3600],
    [-3600, -3600],
    [29, 0],
    [31, 60],
    [-31, -60],
    [89.9, 60],
    [91, 120],
  ]) {
    test(`${given} is ${stored}`, async () => {
      const { json } = await post(system.url, '/api/chat', chat('x', { priority: given }));
      assert.equal((await getTask(system.url, json.task_id)).json.priority, stored);
    });
  }
});

describe('an option out of its bounds is refused by name', () => {
  const refused: [path: string, options: Record<string, unknown>][] = [
    ...['urgent', 'HIGH', '', '60', 3601, -3601, null, {}, [], true].map(
      (priority) => ['priority', { priority }] as [string, Record<string, unknown>],
    ),
    ['delay_ms', { delay_ms: -1 }],
    ['delay_ms', { delay_ms: 1.5 }],
    ['delay_ms', { delay_ms: '10' }],
    ['delay_ms', { delay_ms: null }],
    ['delay_ms', { delay_ms: 30 * DAY + 1 }],
    ['delay_ms', { delay_ms: 1e15 }],
    ['run_at', { run_at: inMs(30 * DAY + HOUR) }],
    ['run_at', { run_at: 'tomorrow' }],
    ['run_at', { run_at: '2026-12-24' }],
    ['run_at', { run_at: '2026-12-24T10:00:00' }],
    ['run_at', { run_at: '2027-02-30T00:00:00Z' }],
    ['run_at', { run_at: Date.now() }],
    ['run_at', { run_at: inMs(HOUR), delay_ms: HOUR }],
    ['start_by', { start_by: inMs(-1_000) }],
    ['start_by', { start_by: inMs(HOUR), run_at: inMs(2 * HOUR) }],
    ['start_by', { start_by: inMs(HOUR), delay_ms: 2 * HOUR }],
    ['start_by', { start_by: 'soon' }],
    ['timeout_ms', { timeout_ms: 99 }],
    ['timeout_ms', { timeout_ms: DAY + 1 }],
    ['timeout_ms', { timeout_ms: 100.5 }],
    ['timeout_ms', { timeout_ms: '1000' }],
    ['patience_ms', { patience_ms: -1 }],
    ['max_attempts', { max_attempts: 0 }],
    ['max_attempts', { max_attempts: 101 }],
    ['max_attempts', { max_attempts: 1.5 }],
    ['metadata', { metadata: pairs(17) }],
    ['metadata', { metadata: [] }],
    ['metadata', { metadata: 'a=b' }],
    ['metadata', { metadata: null }],
    ['metadata.a', { metadata: { a: 1 } }],
    ['metadata.a', { metadata: { a: null } }],
    ['metadata.a', { metadata: { a: {} } }],
    ['metadata.a', { metadata: { a: 'v'.repeat(513) } }],
    [`metadata.${'k'.repeat(65)}`, { metadata: { ['k'.repeat(65)]: 'v' } }],
    ['webhook', { webhook: { url: 'https://example.com', events: [] } }],
    ['priorty', { priorty: 'high' }],
    ['type', { type: 'chat.request' }],
    ['owner', { owner: 'somebody' }],
  ];
  for (const [path, options] of refused) {
    test(`${path}: ${JSON.stringify(options)}`.slice(0, 90), async () => {
      const own = await post(system.url, '/api/chat', chat('x', options));
      assertProblem(own, 400, 'invalid_request');
      assert.deepEqual(badPaths(own), [path]);
      assert.ok(own.json.detail.includes(path));
      if (path === 'type') return;
      const any = await post(system.url, '/tasks', { type: 'chat.request', input: chat(), ...options });
      assertProblem(any, 400, 'invalid_request');
      assert.deepEqual(badPaths(any), [path]);
    });
  }
});

/** The form of an id is not the session. */
const NO_SESSION = `sess_${'0'.repeat(25)}`;

describe('a bad field of the input is named by its path', () => {
  const bad: [paths: string[], body: unknown][] = [
    [['session_id'], chat('x', { session_id: 'sess_1' })],
    [['session_id'], chat('x', { session_id: `sess_${'0'.repeat(24)}` })],
    [['session_id'], chat('x', { session_id: `task_${'0'.repeat(25)}` })],
    [['session_id'], chat('x', { session_id: { $ne: null } })],
    [['cache'], chat('x', { cache: 'yes' })],
    [['cache'], chat('x', { session_id: NO_SESSION, cache: true })],
    [['messages'], { session_id: NO_SESSION, messages: Array(101).fill({ role: 'user', content: 'x' }) }],
    [['messages'], {}],
    [['messages'], { messages: [] }],
    [['messages'], { messages: 'hi' }],
    [['messages[0]'], { messages: ['hi'] }],
    [['messages[0].role'], { messages: [{ role: 'robot', content: 'x' }] }],
    [['messages[1].content'], { messages: [{ role: 'user', content: 'x' }, { role: 'user' }] }],
    [['messages[0].content'], user(7)],
    [['messages[0].content'], user([])],
    [['messages[0].content[0].type'], user([{ type: 'video' }])],
    [['messages[0].content[1].text'], user([{ type: 'text', text: 'x' }, { type: 'text' }])],
    [['messages[0].content[0].image_url.url'], user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }])],
    [['messages[0].name'], { messages: [{ role: 'user', content: 'x', name: 'kim' }] }],
    [['messages[0].__proto__'], '{"messages":[{"role":"user","content":"x","__proto__":{"a":1}}]}'],
    [['model'], { ...chat(), model: '' }],
    [['temperature'], { ...chat(), temperature: 2.1 }],
    [['top_p'], { ...chat(), top_p: -0.1 }],
    [['max_tokens'], { ...chat(), max_tokens: 0 }],
    [['files[0].name'], { ...chat(), files: [{ type: 'a' }] }],
  ];
  for (const [paths, body] of bad) {
    test(paths.join(), async () => {
      const answer = await post(system.url, '/api/chat', body);
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(badPaths(answer), paths);
    });
  }
});

test('one 400 names every bad field of input, options and headers', async () => {
  const body = {
    messages: [{ role: 'robot', content: 3 }],
    temperature: 'hot',
    priority: 'urgent',
    delay_ms: -1,
    metadata: { a: 1, b: 'fine', c: 2 },
    surprise: 1,
  };
  const answer = await post(system.url, '/api/chat', body, { 'Idempotency-Key': 'a key with spaces' });
  assertProblem(answer, 400, 'invalid_request');
  assert.deepEqual(badPaths(answer).sort(), [
    'Idempotency-Key',
    'delay_ms',
    'messages[0].content',
    'messages[0].role',
    'metadata.a',
    'metadata.c',
    'priority',
    'surprise',
    'temperature',
  ]);
  for (const { path, message } of answer.json.errors) assert.ok(answer.json.detail.includes(`${path}: ${message}`));
});

test('a refused submit leaves nothing behind', async () => {
  const before = await redis.cli('DBSIZE');
  for (const body of [{}, chat('x', { priority: 'x' }), '{', '[]']) {
    assert.equal((await post(system.url, '/api/chat', body)).status, 400);
  }
  assert.equal(await redis.cli('DBSIZE'), before);
});
