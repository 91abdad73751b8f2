import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chat, followToEnd, post } from '../../../../scripts/testing/client.ts';
import { keyring, ownerClient } from '../../../../scripts/testing/owners.ts';
import { type ask, eventually } from '../../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

// Words that no pattern of a key or token would catch: what keeps them in must be the code, not a filter.
const KEY = 'canarykeyxqzt0123456789';
const BODY = 'canarybodyxqzt';
const PROMPT = 'canarypromptxqzt';
const ANSWER = 'canaryanswerxqzt';
const FORBIDDEN = [KEY, BODY, '    at ', '.ts:', 'node_modules'];

let system: System;
let upstream: Upstream;
/** Everything any client was sent. */
const sent: string[] = [];
before(async () => {
  upstream = await startUpstream();
  system = await startSystem({
    env: {
      ...upstream.env,
      OPENAI_API_KEY: KEY,
      LOG_LEVEL: 'debug',
      // Runs out in the case that falls silent alone: the others say all at once.
      IDLE_TIMEOUT_MS: '2000',
    },
  });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const providerError = (code: unknown) =>
  JSON.stringify({ error: { message: `${BODY} ${KEY} ${PROMPT}`, type: BODY, code, param: BODY } });
const chunk = (payload: unknown) => `data: ${JSON.stringify(payload)}\n\n`;

/** What an upstream does wrong, each time repeating the key and the prompt in its words. */
const faults: Record<string, (call: UpstreamCall) => void> = {
  'answers 400': (call) => call.refuse(400, {}, providerError('bad')),
  'answers 401': (call) => call.refuse(401, { 'www-authenticate': `Bearer realm="${BODY}"` }, providerError(null)),
  'answers 404': (call) => call.refuse(404, {}, providerError('model_not_found')),
  'answers 429': (call) => call.refuse(429, { 'retry-after': '0', 'x-canary': BODY }, providerError('rate_limit')),
  'answers 500': (call) => call.refuse(500, {}, providerError(BODY)),
  'answers 500 in HTML': (call) => call.refuse(500, { 'content-type': 'text/html' }, `<h1>${BODY}</h1> at ${KEY}`),
  'answers 200 with a JSON error': (call) => call.refuse(200, {}, providerError(500)),
  'answers 200 with text': (call) => call.refuse(200, { 'content-type': 'text/plain' }, `${BODY} ${KEY}`),
  'streams an error': (call) => call.response.end(chunk(JSON.parse(providerError(400)))),
  'streams an error after text': (call) => {
    call.text(ANSWER);
    call.response.end(chunk(JSON.parse(providerError(BODY))));
  },
  'streams what is not JSON': (call) => {
    call.text(ANSWER);
    call.response.end(`data: {"${BODY} ${KEY}\n\n`);
  },
  'breaks off': (call) => {
    call.text(ANSWER);
    call.response.write(`data: {"${BODY}`, () => call.response.destroy());
  },
  'falls silent': (call) => {
    call.text(ANSWER);
    call.response.write(`: ${BODY}\n\n`);
  },
};

async function get(path: string): Promise<string> {
  const response = await fetch(`${system.url}${path}`);
  return JSON.stringify([...response.headers]) + (await response.text());
}

function assertClean(what: string, text: string) {
  for (const word of FORBIDDEN) {
    const at = text.indexOf(word);
    assert.equal(at, -1, `${word} is in ${what}: ${text.slice(Math.max(0, at - 200), at + 200)}`);
  }
}

/** All of Redis, as its own persistence holds it. */
async function everyValue({ redis }: System = system): Promise<string> {
  const keys = (await redis.cli('--scan')).split('\n');
  const dumps = await Promise.all(
    keys.map(async (key) => {
      const read: Record<string, string[]> = {
        hash: ['HGETALL', key],
        string: ['GET', key],
        stream: ['XRANGE', key, '-', '+'],
        zset: ['ZRANGE', key, '0', '-1'],
        set: ['SMEMBERS', key],
        list: ['LRANGE', key, '0', '-1'],
      };
      const command = read[(await redis.cli('TYPE', key)).trim()] ?? ['EXISTS', key];
      return { key, text: await redis.cli(...command) };
    }),
  );
  return dumps.map(({ key, text }) => `${key}\n${text}`).join('\n');
}

describe('no key, provider body or stack is in any answer, event or record when the upstream', () => {
  for (const [what, fault] of Object.entries(faults)) {
    test(what, async () => {
      upstream.answer = (call) => {
        if (what.startsWith('streams an error') && !call.response.headersSent) {
          call.response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        }
        fault(call);
      };
      const calls = upstream.calls.length;
      const submitted = await post(system.url, '/api/chat', chat(PROMPT, { max_attempts: 2 }));
      const id = submitted.json.task_id;
      const seen = await followToEnd(system.url, id);
      assert.equal(seen.at(-1)?.data.status, 'failed');
      assert.equal(upstream.calls[calls]?.headers.authorization, `Bearer ${KEY}`, 'the key was used');
      const { error } = seen.at(-1)?.data ?? {};
      assert.deepEqual(Object.keys(error), ['code', 'message']);
      const answers = [
        submitted.text,
        await get(`/tasks/${id}`),
        await get(`/tasks/${id}/events`),
        await get('/tasks'),
        (await post(system.url, `/tasks/${id}/cancel`, '')).text,
      ];
      sent.push(...answers);
      for (const answer of answers) {
        assertClean('an answer', answer);
        assert.ok(!answer.includes(PROMPT), 'the prompt stays with the input');
      }
    });
  }
});

test('no answer to a bad request repeats a key, a stack or the body that was sent', async () => {
  const headers = { Authorization: `Bearer ${KEY}`, 'Idempotency-Key': `${KEY} ${BODY}`, Cookie: BODY };
  for (const [path, body] of [
    ['/api/chat', `{"messages":[{"role":"${PROMPT}","content":7}],`],
    ['/api/chat', JSON.stringify({ messages: [{ role: PROMPT, content: { [PROMPT]: 1 } }], temperature: PROMPT })],
    ['/tasks', JSON.stringify({ type: 'chat.request', input: chat(PROMPT, { priority: PROMPT }) })],
    [`/tasks/${PROMPT}/cancel`, PROMPT],
    [`/${PROMPT}`, PROMPT],
  ] as const) {
    const { status, text } = await post(system.url, path, body, headers);
    assert.ok(status >= 400 && status < 500, text);
    assertClean('a refusal', text);
    assert.ok(!text.includes(`"${PROMPT}"`), text);
  }
});

test('a failure of our own says nothing of itself to the client', async () => {
  const { json } = await post(system.url, '/api/chat', chat('x', { delay_ms: 600_000 }));
  await system.redis.cli('HSET', `bl:{0}:task:${json.task_id}`, 'metadata', `not JSON ${BODY}`);
  const answer = await fetch(`${system.url}/tasks/${json.task_id}`);
  const text = await answer.text();
  assert.equal(answer.status, 500);
  assert.equal(JSON.parse(text).code, 'internal');
  assertClean('an internal error', text);
  await system.redis.cli('DEL', `bl:{0}:task:${json.task_id}`);
});

test('no log line holds a key, a provider body, a prompt or an answer, also at level debug', async () => {
  upstream.answer = (call) => {
    call.text(ANSWER);
    call.finish();
  };
  const done = await post(system.url, '/api/chat', chat(PROMPT), { Prefer: 'wait=30', Authorization: `Bearer ${KEY}` });
  assert.ok(done.text.includes(ANSWER));
  await post(system.url, '/tasks', { type: 'test.bad-output', input: {}, max_attempts: 1 }, { Prefer: 'wait=30' });
  await system.runners[0]?.signal('SIGTERM');
  await system.relays[0]?.signal('SIGTERM');
  const logs = system.logs();
  assert.match(logs, /the attempt failed/, 'failures are logged');
  for (const word of [KEY, PROMPT, ANSWER]) assert.ok(!logs.includes(word), `${word} is in the log`);
  const line = logs.split('\n').find((text) => text.includes(BODY));
  // The record spoilt above is ours, and V8 quotes what it cannot parse.
  assert.equal(line, undefined);
});

test('Redis holds the prompt and the answer, but no key and no provider body', async () => {
  const all = await everyValue();
  assert.ok(all.includes(PROMPT) && all.includes(ANSWER));
  assertClean('Redis', all);
  assert.ok(sent.length > 0);
});

test('an API key is in no answer, no event and no log line, and Redis knows it by its hash only', async () => {
  const configured = 'canaryownerkeyxqzt0123456789';
  const keyed = await startSystem({
    env: {
      API_KEYS: `anna:${configured}`,
      LOG_LEVEL: 'debug',
      RATE_LIMIT: '30',
      CORS_ORIGINS: 'https://app.example.com',
    },
  });
  const keys = keyring(keyed.redis.url);
  try {
    const made = await keys.create('ben');
    const weak = await keys.create('carl', { scopes: [] });
    const revoked = await keys.create('ben');
    await keys.revoke(revoked.id);
    const wrong = `${made.token}x`;
    const all = [configured, made.token, weak.token, revoked.token];
    const answers: string[] = [];
    const note = ({ status, headers, text }: Awaited<ReturnType<typeof ask>>) =>
      answers.push(`${status} ${JSON.stringify([...headers])} ${text}`);
    for (const token of [...all, wrong]) {
      const client = ownerClient(keyed.url, token);
      const headers = { Origin: 'https://app.example.com' };
      const submitted = await client.post('/api/chat', chat('hello'), { ...headers, Prefer: 'wait=30' });
      const id = submitted.json.task_id ?? 'task_1';
      for (const answer of [
        submitted,
        await client.get(`/tasks/${id}`, headers),
        await client.get(`/tasks/${id}/events`, headers),
        await client.get('/tasks'),
        await client.post('/api/chat', { api_key: 'x', messages: [] }, headers),
        await client.post(`/tasks/${id}/retry`, {}, { 'Idempotency-Key': 'canary' }),
        await client.call('OPTIONS', '/api/chat', headers),
      ])
        note(answer);
    }
    // Until one is over the rate.
    await eventually(
      () =>
        Promise.all(
          Array.from({ length: 40 }, async () => note(await ownerClient(keyed.url, made.token).get('/tasks'))),
        ),
      () => answers.some((answer) => answer.startsWith('429 ')),
    );
    const statuses = new Set(answers.map((answer) => answer.slice(0, 3)));
    for (const status of ['200', '401', '403', '400']) assert.ok(statuses.has(status), `no answer has ${status}`);
    await keyed.runners[0]?.signal('SIGTERM');
    await keyed.apis[0]?.signal('SIGTERM');
    const logs = keyed.logs();
    assert.match(logs, /a key was refused/);
    const redis = await everyValue(keyed);
    assert.ok(redis.includes('"owner":"ben"'), 'the keys are there');
    for (const token of all) {
      const secret = token.replace('bl_', '');
      for (const [where, text] of Object.entries({ answers: answers.join('\n'), logs, redis })) {
        assert.ok(!text.includes(secret), `a key is in ${where}`);
      }
    }
  } finally {
    keys.close();
    await keyed.stop();
  }
});
