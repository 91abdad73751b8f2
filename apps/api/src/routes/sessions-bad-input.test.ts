import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient, UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';

let system: InProcess;
let client: ReturnType<typeof sessionClient>;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  client = sessionClient(system.url);
});
after(() => system.stop());

describe('a bad body is refused, every bad field named, and nothing is done:', () => {
  const big = { feature_options: { x: 'y'.repeat(64 * 1024) } };
  const bodies: [string, unknown, string[]][] = [
    [
      '',
      { title: '', feature_mode: 'x', model: '', feature_options: [] },
      ['title', 'feature_mode', 'model', 'feature_options'],
    ],
    ['', { title: { $gt: '' }, feature_mode: { $ne: null }, model: ['a'] }, ['title', 'feature_mode', 'model']],
    ['', { title: 'x'.repeat(201), model: 'x'.repeat(201) }, ['title', 'model']],
    ['', '{"__proto__":{"title":"x"},"$where":"1"}', ['__proto__', '$where']],
    ['', { owner: 'ben', session_id: UNKNOWN_SESSION, message_count: 7 }, ['owner', 'session_id', 'message_count']],
    ['', big, ['feature_options']],
    ['', '{"feature_options":{"x":1e999}}', ['feature_options.x']],
    ['', { feature_options: null }, ['feature_options']],
    ['', '[]', ['']],
    ['', 'null', ['']],
    ['', '{', ['']],
    ['/messages', {}, ['role', 'content']],
    ['/messages', { role: 'robot', content: 7 }, ['role', 'content']],
    ['/messages', { role: 'tool', content: 7 }, ['content', 'tool_call_id']],
    ['/messages', { role: 'assistant', content: null, tool_calls: [] }, ['content']],
    ['/messages', { role: 'user', content: 'x', tool_calls: [], tool_call_id: 'a' }, ['tool_calls', 'tool_call_id']],
    ['/messages', { role: 'user', content: { $regex: '.*' } }, ['content']],
    ['/messages', { role: 'user', content: [{ type: 'text', text: { $gt: '' } }] }, ['content[0].text']],
    ['/messages', { role: { $gt: '' }, content: 'x', message_id: 'm' }, ['role', 'message_id']],
    [
      '/messages',
      { role: 'user', content: 'x', usage: { input_tokens: -1, output_tokens: 1.5 } },
      ['usage.input_tokens', 'usage.output_tokens'],
    ],
    [
      '/messages',
      { role: 'user', content: 'x', usage: { input_tokens: 1, output_tokens: 1, total_tokens: 3 } },
      ['usage.total_tokens'],
    ],
    [
      '/messages',
      { role: 'user', content: 'x', usage: { total_tokens: 3 } },
      ['usage.input_tokens', 'usage.output_tokens'],
    ],
    ['/messages', { role: 'user', content: 'x', metadata: { a: 1 } }, ['metadata.a']],
    ['/messages', '{"role":"user","content":"x","metadata":{"__proto__":"x"}}', ['metadata.__proto__']],
  ];
  for (const [place, body, paths] of bodies) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    test(`${place} ${text.slice(0, 100)}`, async () => {
      const id = await client.create();
      const answer = await client.call('POST', place === '' ? SESSIONS : `${SESSIONS}/${id}${place}`, text);
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(badPaths(answer), paths);
      assert.equal((await client.get(`/${id}`)).json.session.message_count, 0);
    });
  }
});

test('hostile strings are texts like any other, in every field', async () => {
  for (const text of [
    '.*(',
    '$where',
    '__proto__',
    '{"$gt":""}',
    "'; DROP TABLE sessions; --",
    '%',
    '_',
    '\\',
    '한글',
    '\u0000x',
  ]) {
    const id = await client.create({ title: text, model: text, feature_options: { [text]: text } });
    await client.say(id, text, { model: text, metadata: { [text === '__proto__' ? 'proto' : text]: text } });
    const { session } = (await client.get(`/${id}`)).json;
    assert.deepEqual([session.title, session.model, session.feature_options[text]], [text, text, text]);
    assert.deepEqual([session.messages[0].content, session.messages[0].model], [text, text]);
  }
});

test('HEAD says what GET does, without a body; what a path does not allow is 405 and names what it does', async () => {
  const id = await client.create();
  for (const path of ['', `/${id}`, `/${id}/messages`, `/${id}/summary`]) {
    const head = await client.call('HEAD', `${SESSIONS}${path}`);
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.match(head.headers.get('x-cache') ?? '', /^(hit|miss)$/);
  }
  for (const [method, path, allow] of [
    ['PUT', '', ['POST', 'GET']],
    ['POST', `/${id}`, ['GET', 'DELETE']],
    ['PUT', `/${id}/messages`, ['GET', 'POST']],
    ['GET', `/${id}/title`, ['PATCH']],
    ['PUT', `/${id}/summary`, ['GET']],
  ] as const) {
    const answer = await client.call(method, `${SESSIONS}${path}`, method === 'GET' ? undefined : {});
    assertProblem(answer, 405, 'method_not_allowed');
    const allowed = answer.headers.get('allow')?.split(', ') ?? [];
    for (const name of allow) assert.ok(allowed.includes(name), `${path}: ${allowed}`);
    assert.ok(!allowed.includes(method));
  }
});
