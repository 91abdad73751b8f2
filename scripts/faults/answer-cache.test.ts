/** The answer cache: only who asks for it gets an answer that was given before, and only to the very same request. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { chat, post } from '../testing/client.ts';
import { ask as getJson } from '../testing/raw.ts';
import { type System, startSystem } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../testing/upstream.ts';

const OTHER = 'other-key-0123456789';
const MINE = 'mine-key-0123456789';

let system: System;
let upstream: Upstream;
const answer = (call: UpstreamCall) => {
  call.text(`answer ${call.number}`);
  call.finish();
};
before(async () => {
  upstream = await startUpstream(answer);
  system = await startSystem({
    env: { ...upstream.env, API_KEYS: `mine:${MINE},other:${OTHER}`, ANSWER_CACHE_BYTES: '2048' },
  });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

let number = 0;
const fresh = () => `question ${++number}`;

/** The finished task, and how many calls of the model it took. */
async function ask(body: unknown, key = MINE) {
  const before = upstream.calls.length;
  const headers = { Authorization: `Bearer ${key}`, Prefer: 'wait=30' };
  const { status, json, text } = await post(system.url, '/api/chat', body, headers);
  assert.equal(status, 200, text);
  return { task: json, calls: upstream.calls.length - before };
}

test('the second of two equal requests gets the answer of the first: no call, no usage, and it says so', async () => {
  const body = chat(fresh(), { cache: true });
  const first = await ask(body);
  assert.deepEqual([first.calls, first.task.output.metadata], [1, { cache: 'stored' }]);
  const second = await ask(body);
  assert.equal(second.calls, 0);
  assert.deepEqual(second.task.output, { ...first.task.output, metadata: { cache: 'hit' } });
  assert.equal(second.task.usage, null);
  const response = await fetch(`${system.url}${second.task.urls.events}`, {
    headers: { Authorization: `Bearer ${MINE}` },
  });
  const events = (await response.text()).split('\n').filter((line) => line.startsWith('event: '));
  assert.deepEqual(
    events,
    ['queued', 'started', 'text', 'text_done', 'done'].map((type) => `event: ${type}`),
  );
});

test('hits and misses of all runners are counted, and every API tells them; who does not ask for it is not counted', async () => {
  const told = async () => (await getJson(`${system.url}/readyz`)).json.caches.answers;
  const counted = async (name: string) => Number(await system.redis.cli('--raw', 'hget', 'bl:answers', name));
  const before = { hits: await counted('hits'), misses: await counted('misses') };
  const body = chat(fresh(), { cache: true });
  for (let i = 0; i < 4; i++) await ask(body);
  await ask(chat(fresh()));
  const wanted = { hits: before.hits + 3, misses: before.misses + 1 };
  await until('the counts are told', async () => isDeepStrictEqual(await told(), wanted));
});

test('who does not ask for it neither gets an answer from the cache nor puts one in', async () => {
  const text = fresh();
  assert.equal((await ask(chat(text))).task.output.metadata, undefined);
  assert.equal((await ask(chat(text, { cache: true }))).calls, 1);
  assert.equal((await ask(chat(text))).calls, 1);
  assert.equal((await ask(chat(text, { cache: false }))).calls, 1);
});

describe('another request is another key', () => {
  const PNG = 'iVBORw0KGgo=';
  const others: [what: string, more: Record<string, unknown>][] = [
    ['temperature', { temperature: 0 }],
    ['another temperature', { temperature: 1 }],
    ['max_tokens', { max_tokens: 5 }],
    ['top_p', { top_p: 0.5 }],
    ['frequency_penalty', { frequency_penalty: 1 }],
    ['presence_penalty', { presence_penalty: 1 }],
    ['enable_thinking', { enable_thinking: true }],
    ['images', { images: [PNG] }],
    ['files', { files: [{ name: 'a.txt', type: 'text/plain' }] }],
    ['the name of a file', { files: [{ name: 'b.txt', type: 'text/plain' }] }],
    ['model', { model: 'openai/another' }],
  ];
  for (const [what, more] of others) {
    test(what, async () => {
      const text = fresh();
      await ask(chat(text, { cache: true }));
      const body = chat(text, { cache: true, ...more });
      assert.equal((await ask(body)).calls, 1);
      assert.equal((await ask(body)).calls, 0);
      assert.equal((await ask(chat(text, { cache: true }))).calls, 0);
    });
  }

  test('every message, its role and its order', async () => {
    const [a, b] = [
      { role: 'user', content: fresh() },
      { role: 'user', content: fresh() },
    ];
    const conversations = [[a, b], [b, a], [b], [{ ...a, role: 'system' }, b], [{ ...a, role: 'assistant' }, b]];
    for (const messages of conversations) assert.equal((await ask({ messages, cache: true })).calls, 1);
    for (const messages of conversations) assert.equal((await ask({ messages, cache: true })).calls, 0);
  });

  test('whose it is', async () => {
    const body = chat(fresh(), { cache: true });
    await ask(body);
    assert.equal((await ask(body, OTHER)).calls, 1);
    assert.equal((await ask(body, OTHER)).calls, 0);
  });
});

test('what nobody can tell apart is the same request: composition, line ends, space behind, the default model by name', async () => {
  const text = fresh();
  await ask(chat(`caf\u00e9\n${text}`, { cache: true }));
  for (const same of [`cafe\u0301\n${text}`, `caf\u00e9\r\n${text}`, `caf\u00e9\n${text} \n\n`]) {
    assert.equal((await ask(chat(same, { cache: true }))).calls, 0, JSON.stringify(same));
  }
  for (const model of ['openai/test', 'test']) {
    assert.equal((await ask(chat(`caf\u00e9\n${text}`, { cache: true, model }))).calls, 0, model);
  }
  assert.equal((await ask(chat(`caf\u00e9\n ${text}`, { cache: true }))).calls, 1);
  assert.equal((await ask(chat(`CAF\u00c9\n${text}`, { cache: true }))).calls, 1);
  // An indent is part of what is asked.
  assert.equal((await ask(chat(`  caf\u00e9\n${text}`, { cache: true }))).calls, 1);
});

describe('an answer is not kept', () => {
  const ends: [what: string, answer: (call: UpstreamCall) => void, calls?: number][] = [
    [
      'that is cut off',
      (call) => {
        call.text('part');
        call.finish({ reason: 'length' });
      },
    ],
    [
      'that ends without saying so',
      (call) => {
        call.text('part');
        call.response.end();
      },
    ],
    // It is no answer: each attempt asks again.
    ['that is empty', (call) => call.finish(), 3],
    [
      'that is too large',
      (call) => {
        call.text('x'.repeat(3_000));
        call.finish();
      },
    ],
    ['that is an error', (call) => call.refuse(400)],
  ];
  for (const [what, model, calls = 1] of ends) {
    test(what, async () => {
      const body = chat(fresh(), { cache: true });
      upstream.answer = model;
      try {
        const { task } = await ask(body);
        assert.notEqual(task.output?.metadata?.cache, 'stored');
        assert.equal((await ask(body)).calls, calls);
      } finally {
        upstream.answer = answer;
      }
    });
  }

  test('that was cancelled', async () => {
    const text = fresh();
    upstream.answer = (call) => call.text('part');
    const headers = { Authorization: `Bearer ${MINE}` };
    const number = upstream.calls.length + 1;
    const { status, json } = await post(system.url, '/api/chat', chat(text, { cache: true }), headers);
    assert.equal(status, 202, JSON.stringify(json));
    await upstream.call(number);
    upstream.answer = answer;
    assert.equal((await post(system.url, `/tasks/${json.task_id}/cancel`, {}, headers)).status, 202);
    await until('it is cancelled', async () => {
      const response = await fetch(`${system.url}/tasks/${json.task_id}`, { headers });
      return ((await response.json()) as { status: string }).status === 'cancelled';
    });
    assert.equal((await ask(chat(text, { cache: true }))).calls, 1);
  });
});

test('cache and session_id exclude each other, and the cache is of yes or no', async () => {
  for (const more of [{ cache: true, session_id: `sess_${'0'.repeat(25)}` }, { cache: 'yes' }, { cache: 1 }]) {
    const { status, json } = await post(system.url, '/api/chat', chat('x', more), { Authorization: `Bearer ${MINE}` });
    assert.equal(status, 400);
    assert.deepEqual(
      json.errors.map(({ path }: { path: string }) => path),
      ['cache'],
    );
  }
});

test('of a hundred requests of ten kinds nine of ten are hits, and none waits for the model', async (t) => {
  const texts = Array.from({ length: 10 }, fresh);
  let hits = 0;
  const took: number[] = [];
  for (let round = 0; round < 10; round++) {
    for (const text of texts) {
      const { task } = await ask(chat(text, { cache: true }));
      if (task.output.metadata.cache === 'hit') {
        hits++;
        took.push(task.run_ms);
      }
    }
  }
  const p50 = took.sort((a, b) => a - b)[took.length >> 1];
  t.diagnostic(`${hits} hits of 100, p50 of a run ${p50} ms`);
  assert.equal(hits, 90);
});

test('a cache that cannot be read is a miss, and nothing fails', async () => {
  const body = chat(fresh(), { cache: true });
  await ask(body);
  const keys = (await system.redis.everywhere('keys', 'bl:answer:*')).join('\n').split('\n').filter(Boolean);
  for (const key of keys) {
    await system.redis.cli('del', key);
    await system.redis.cli('lpush', key, 'not an answer');
  }
  const { task, calls } = await ask(body);
  assert.deepEqual([task.status, calls], ['completed', 1]);
});
