import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { timeOf } from '@beanline/shared/task-id.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths, longPast } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient, UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';

let system: InProcess;
let client: ReturnType<typeof sessionClient>;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  client = sessionClient(system.url);
});
after(() => system.stop());

test('a session is made as it was asked for, and reads so', async () => {
  const body = { title: '회의록 👩‍👩‍👧', feature_mode: 'rag', model: 'builtin/extract', feature_options: { top_k: 5 } };
  const made = await client.call('POST', SESSIONS, body);
  assert.equal(made.status, 201);
  const { session_id, created_at, updated_at, ...rest } = made.json.session;
  assert.match(session_id, /^sess_[0-9a-z]{25}$/);
  assert.equal(made.headers.get('location'), `${SESSIONS}/${session_id}`);
  assert.ok(Math.abs(Date.parse(created_at) - Date.now()) < 60_000);
  assert.equal(updated_at, created_at);
  assert.deepEqual(rest, { ...body, total_tokens: 0, message_count: 0, summary: null });
  const read = await client.get(`/${session_id}`);
  assert.equal(read.status, 200);
  assert.deepEqual(read.json, { session: { ...made.json.session, messages: [] } });
});

test('a session needs nothing said of it, not even a body', async () => {
  for (const body of [undefined, {}, '{}']) {
    const { status, json } = await client.call('POST', SESSIONS, body);
    assert.equal(status, 201);
    const { title, feature_mode, model, feature_options } = json.session;
    assert.deepEqual([title, feature_mode, model, feature_options], [null, 'chat', null, {}]);
  }
});

test('feature_options come back exactly as they were, hostile names included', async () => {
  const options =
    '{"__proto__":{"polluted":true},"constructor":{"prototype":null},"$where":"sleep(1000)","a.b":{"$gt":""},"":[],"n":1e21,"big":9007199254740991,"deep":[[[{"x":[]}]]],"text":"\\u0000\\ud800 한"}';
  const made = await client.call('POST', SESSIONS, `{"feature_options":${options}}`);
  assert.equal(made.status, 201, made.text);
  const wanted = `"feature_options":${JSON.stringify(JSON.parse(options))}`;
  const id = made.json.session.session_id;
  const answers = [made, await client.get(`/${id}`), await client.get(`/${id}`), await client.get('?limit=1')];
  for (const { text } of answers) assert.ok(text.includes(wanted), text);
});

test('messages are added at the end, counted, and read page by page without gap or repeat', async () => {
  const id = await client.create();
  const said: string[] = [];
  for (let i = 0; i < 7; i++) {
    const message = await client.say(id, `message ${i}`);
    said.push(message);
    await longPast(timeOf(message) ?? 0);
  }
  for (const limit of [1, 2, 3, 7, 8, 200]) {
    const pages: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const before: string = cursor === '' ? '' : `&before=${cursor}`;
      const { status, json } = await client.get(`/${id}/messages?limit=${limit}${before}`);
      assert.equal(status, 200);
      assert.equal(json.count, json.messages.length);
      assert.ok(json.count <= limit && json.count > 0);
      pages.unshift(json.messages.map(({ message_id }: { message_id: string }) => message_id));
      cursor = json.next_cursor;
    }
    assert.deepEqual(pages.flat(), said, `by ${limit}`);
  }
  assert.deepEqual([...said].sort(), said);
  const { session } = (await client.get(`/${id}`)).json;
  assert.equal(session.message_count, 7);
  assert.deepEqual(
    session.messages.map(({ content }: { content: string }) => content),
    said.map((_, i) => `message ${i}`),
  );
});

test('a session shows its newest fifty messages, and the pages the rest', async () => {
  const id = await client.create();
  for (let i = 0; i < 53; i++) {
    const message = await client.say(id, String(i));
    // Between these one page ends and the next begins.
    if (i < 4) await longPast(timeOf(message) ?? 0);
  }
  const { session } = (await client.get(`/${id}`)).json;
  assert.deepEqual([session.message_count, session.messages.length, session.messages[0].content], [53, 50, '3']);
  const { json } = await client.get(`/${id}/messages?before=${session.messages[0].message_id}`);
  assert.deepEqual([json.count, json.messages[0].content, json.next_cursor], [3, '0', null]);
});

test('large messages make short pages, with a cursor to go on', async () => {
  const id = await client.create();
  const large = 'x'.repeat(1_500_000);
  for (let i = 0; i < 5; i++) await client.say(id, large);
  let [count, pages] = [0, 0];
  for (let query = ''; ; pages++) {
    const { json } = await client.get(`/${id}/messages${query}`);
    count += json.count;
    assert.ok(json.count >= 1 && json.count < 5);
    if (json.next_cursor === null) break;
    query = `?before=${json.next_cursor}`;
  }
  assert.equal(count, 5);
  assert.ok(pages >= 1);
});

test('a message bears its role, parts, model, usage and metadata, and its tokens count for the session', async () => {
  const id = await client.create();
  const content = [
    { type: 'text', text: '무엇인가?' },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
  ];
  const usage = { input_tokens: 3, output_tokens: 4 };
  const body = { role: 'assistant', content, model: 'm', usage, metadata: { a: 'b' } };
  const { status, json } = await client.call('POST', `${SESSIONS}/${id}/messages`, body);
  assert.equal(status, 201);
  const { message_id, created_at, ...message } = json.message;
  assert.match(message_id, /^msg_[0-9a-z]{28}$/);
  const total = { ...usage, total_tokens: 7 };
  assert.deepEqual(message, { ...body, usage: total, task_id: null, task_status: null });
  assert.deepEqual([json.session.total_tokens, json.session.message_count], [7, 1]);
  assert.equal(json.session.updated_at, created_at);
  const read = (await client.get(`/${id}/messages`)).json;
  assert.deepEqual(read, { messages: [json.message], count: 1, next_cursor: null });
  await client.say(id, 'more', { usage: { ...usage, total_tokens: 7 } });
  assert.equal((await client.get(`/${id}`)).json.session.total_tokens, 14);
});

test('under one Idempotency-Key a message is added once, from fifty racers too, and another message is refused', async () => {
  const id = await client.create();
  const other = await client.create();
  const path = `${SESSIONS}/${id}/messages`;
  const body = { role: 'user', content: 'once', usage: { input_tokens: 1, output_tokens: 1 } };
  const key = { 'Idempotency-Key': 'k' };
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.call('POST', path, body, key)));
  for (const { status, text } of answers) assert.equal(status, 201, text);
  assert.equal(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true').length, 49);
  assert.equal(new Set(answers.map(({ json }) => JSON.stringify(json))).size, 1);
  const { session } = (await client.get(`/${id}`)).json;
  assert.deepEqual([session.message_count, session.total_tokens], [1, 2]);
  const conflict = await client.call('POST', path, { ...body, content: 'twice' }, key);
  assertProblem(conflict, 422, 'idempotency_conflict');
  assert.equal(conflict.headers.get('x-should-retry'), 'false');
  const elsewhere = await client.call('POST', `${SESSIONS}/${other}/messages`, { ...body, content: 'twice' }, key);
  assert.equal(elsewhere.status, 201, 'the key is one of its session');
  assertProblem(await client.call('POST', path, body, { 'Idempotency-Key': 'a b' }), 400, 'invalid_request');
});

test('a title is set by body or by query, and read at once', async () => {
  const id = await client.create({ title: 'before' });
  const title = async () => (await client.get(`/${id}`)).json.session.title;
  assert.equal(await title(), 'before');
  const path = `${SESSIONS}/${id}/title`;
  const byBody = await client.call('PATCH', path, { title: '큐' });
  assert.deepEqual([byBody.status, byBody.text, await title()], [204, '', '큐']);
  assert.equal((await client.call('PATCH', `${path}?title=a%20b%26c`)).status, 204);
  assert.equal(await title(), 'a b&c');
  assert.equal((await client.call('PATCH', `${path}?title=query`, { title: 'body' })).status, 204);
  assert.equal(await title(), 'body');
  const emoji = '👍'.repeat(200);
  assert.equal((await client.call('PATCH', path, { title: emoji })).status, 204);
  assert.equal(await title(), emoji);
  for (const [query, body] of [
    ['', undefined],
    ['?title=', undefined],
    [`?title=${'x'.repeat(201)}`, undefined],
    ['', {}],
    ['?title=a', {}],
    ['', { title: '' }],
    ['', { title: '👍'.repeat(201) }],
    ['', { title: 'half a pair \ud83d' }],
    ['', { title: null }],
    ['', { title: { $gt: '' } }],
  ] as const) {
    const answer = await client.call('PATCH', `${path}${query}`, body);
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), ['title']);
  }
  assert.equal(await title(), emoji);
});

test('a session without a summary says so', async () => {
  const id = await client.create();
  const { status, json } = await client.get(`/${id}/summary`);
  assert.equal(status, 200);
  const nothing = { session_id: id, summary: null, messages_covered: 0, created_at: null };
  assert.deepEqual(json, { ...nothing, source: 'database' });
  assert.deepEqual((await client.get(`/${id}/summary`)).json, { ...nothing, source: 'cache' });
});

test('a deleted session is gone with its messages, everywhere, and deleting it again says so', async () => {
  const id = await client.create({ title: 'to be deleted' });
  await client.say(id, 'unfindable afterwards');
  assert.equal((await client.get('?query=unfindable')).json.total, 1);
  const gone = await client.call('DELETE', `${SESSIONS}/${id}`);
  assert.deepEqual([gone.status, gone.text], [204, '']);
  assert.equal((await client.get('?query=unfindable')).json.total, 0);
  assert.equal((await client.get('?query=to+be+deleted')).json.total, 0);
  for (const [method, path, body] of everyRoute(id)) {
    assertProblem(await client.call(method, path, body), 404, 'not_found');
  }
});

/** Every route of one session, each with a body that is right. */
const everyRoute = (id: string): [string, string, unknown?][] => [
  ['GET', `${SESSIONS}/${id}`],
  ['GET', `${SESSIONS}/${id}/messages`],
  ['GET', `${SESSIONS}/${id}/messages?limit=200`],
  ['GET', `${SESSIONS}/${id}/messages?before=msg_${'z'.repeat(28)}`],
  ['GET', `${SESSIONS}/${id}/summary`],
  ['POST', `${SESSIONS}/${id}/messages`, { role: 'user', content: 'x' }],
  ['PATCH', `${SESSIONS}/${id}/title`, { title: 'x' }],
  ['PATCH', `${SESSIONS}/${id}/title?title=x`],
  ['DELETE', `${SESSIONS}/${id}`],
];

test('an id that is none, whatever stands in it, is 404', async () => {
  const ids = [UNKNOWN_SESSION, 'sess_', 'x', '..%2f..', '%00', '*', '.*(', '__proto__', '%7B%22$gt%22:%22%22%7D'];
  for (const id of ids) {
    for (const [method, path, body] of everyRoute(id)) {
      assertProblem(await client.call(method, path, body), 404, 'not_found');
    }
  }
});

test('ten sessions made at once are ten', async () => {
  const before = (await client.get()).json.total;
  const ids = await Promise.all(Array.from({ length: 10 }, (_, i) => client.create({ title: `at once ${i}` })));
  assert.equal(new Set(ids).size, 10);
  assert.equal((await client.get()).json.total, before + 10);
  const titles = await Promise.all(ids.map(async (id) => (await client.get(`/${id}`)).json.session.title));
  assert.deepEqual(
    titles,
    ids.map((_, i) => `at once ${i}`),
  );
});
