import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { chat, checkEnded, followToEnd, readStream, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import {
  ask,
  assertProblem,
  badPaths,
  eventually,
  followedTasks,
  rawConnection,
  rawGet,
} from '../../../../scripts/testing/raw.ts';
import { slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

const HEARTBEAT_MS = 150;

let system: InProcess;
let upstream: Upstream;
let port: number;
before(async () => {
  upstream = await startUpstream();
  system = await startInProcess({ env: { ...upstream.env, HEARTBEAT_MS: String(HEARTBEAT_MS) } });
  port = system.apis[0]?.port ?? 0;
});
after(async () => {
  await system.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.answer = slowWords(5, 5);
});

const stream = (id: string, query = '', headers: Record<string, string> = {}) =>
  fetch(`${system.url}/tasks/${id}/events${query}`, { headers });

/** An ended task and its whole log. */
async function endedTask() {
  const id = await submit(system.url);
  return { id, log: await followToEnd(system.url, id) };
}

test('the stream is, byte for byte, a retry line and one frame of three lines for each event', async () => {
  upstream.answer = (call) => {
    call.text('줄\n바꿈 "quoted" 😀');
    call.finish();
  };
  const id = await submit(system.url, chat('x', { priority: 'high' }));
  await followToEnd(system.url, id);
  const bytes = Buffer.from(await (await stream(id)).arrayBuffer()).toString('utf8');
  const at = [...bytes.matchAll(/"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/g)].map((match) => match[1]);
  assert.equal(at.length, 5);
  assert.deepEqual([...at].sort(), at);
  const worker = /"worker":"([^"]+)"/.exec(bytes)?.[1];
  const done = /"data":(\{"status":"completed".*)\}\n\n$/.exec(bytes)?.[1] ?? '';
  const frame = (eventId: string, type: string, index: number, data: string) =>
    `id: ${eventId}\nevent: ${type}\ndata: {"type":"${type}","task_id":"${id}","attempt":${eventId[0]},` +
    `"timestamp":"${at[index]}","data":${data}}\n\n`;
  assert.equal(
    bytes.replaceAll(': keep-alive\n\n', ''),
    'retry: 1000\n\n' +
      frame('0-1', 'queued', 0, '{"type":"chat.request","priority":600}') +
      frame('1-1', 'started', 1, `{"worker":"${worker}"}`) +
      frame('1-2', 'text', 2, '{"content":"줄\\n바꿈 \\"quoted\\" 😀"}') +
      frame('1-3', 'text_done', 3, '{"total_length":16}') +
      frame('1-4', 'done', 4, done),
  );
  assert.deepEqual(JSON.parse(done), {
    status: 'completed',
    output: {
      role: 'assistant',
      content: '줄\n바꿈 "quoted" 😀',
      model: 'test',
      provider: 'openai',
      finish_reason: 'stop',
    },
    error: null,
    usage: { input_tokens: 7, output_tokens: 11, total_tokens: 18 },
  });
});

test('the head says that this is a stream which nobody may keep, change or buffer', async () => {
  const { id } = await endedTask();
  const { status, headers, body } = await stream(id);
  await body?.cancel();
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/event-stream');
  assert.equal(headers.get('cache-control'), 'no-cache, no-transform');
  assert.equal(headers.get('x-accel-buffering'), 'no');
  assert.match(headers.get('x-request-id') ?? '', /^req_/);
  assert.equal(headers.get('content-encoding'), null);
});

test('head, retry line and what has happened come at once; then comments keep a silent stream alive', async () => {
  const id = await submit(system.url, chat('later', { delay_ms: 600_000 }));
  const silent = await system.startApi({ HEARTBEAT_MS: '600000' });
  const early = rawGet(silent.port, `/tasks/${id}/events`);
  // Nothing else comes after it that would push it out.
  await early.has(/\r\n\r\n[\s\S]*retry: 1000\n\n[\s\S]*id: 0-1\n/);
  early.close();

  const startedAt = performance.now();
  const reader = rawGet(port, `/tasks/${id}/events`);
  await reader.has(/id: 0-1\n/);
  assert.doesNotMatch(reader.text(), /keep-alive\n[\s\S]*retry: 1000/, 'the retry line is first');
  await reader.has(/(?:: keep-alive\n\n[\s\S]*){3}/);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 3 * HEARTBEAT_MS * 0.9, `${tookMs} ms`);
  reader.close();
});

test('a piece of text reaches a reader while the model still speaks', async () => {
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const id = await submit(system.url);
  const call = await upstream.call(number);
  const reader = rawGet(port, `/tasks/${id}/events`);
  for (let i = 0; i < 10; i++) {
    call.text(`piece-${i} `);
    await reader.has(new RegExp(`piece-${i} `));
  }
  call.finish();
  await reader.has(/event: done/);
  reader.close();
});

describe('a cursor', () => {
  test('gives exactly what comes after it, by header and by query, from every event of the log', async () => {
    const { id, log } = await endedTask();
    for (const [index, { id: cursor }] of log.slice(0, -1).entries()) {
      const rest = log.slice(index + 1);
      assert.deepEqual(await Array.fromAsync(readStream(await stream(id, '', { 'Last-Event-ID': cursor }))), rest);
      assert.deepEqual(await Array.fromAsync(readStream(await stream(id, `?after=${cursor}`))), rest);
    }
    assert.deepEqual(await Array.fromAsync(readStream(await stream(id, '?after=0-0'))), log);
    assert.deepEqual(await Array.fromAsync(readStream(await stream(id))), log);
  });

  test('in the header beats the one in the query, as a reconnecting EventSource needs it', async () => {
    const { id, log } = await endedTask();
    const response = await stream(id, '?after=0-1', { 'Last-Event-ID': '1-1' });
    assert.deepEqual(await Array.fromAsync(readStream(response)), log.slice(2));
    assert.equal((await stream(id, '?after=0-0', { 'Last-Event-ID': log.at(-1)?.id ?? '' })).status, 204);
  });

  test('that the log does not have gives the later ones, and says so', async () => {
    const { id, log } = await endedTask();
    const response = await stream(id, '?after=0-99');
    const [gap, ...rest] = await Array.fromAsync(readStream(response));
    const data = { from: '0-99', to: '0-1', snapshot_url: `/tasks/${id}` };
    assert.deepEqual(gap, { id: '0-1', type: 'gap', attempt: 0, data });
    assert.deepEqual(rest, log.slice(1));
  });

  test('at or after the terminal event of an ended task is answered 204 without a body', async () => {
    const { id, log } = await endedTask();
    for (const cursor of [log.at(-1)?.id ?? '', '1-999999', '999-1', '999999999999999-999999999999999']) {
      const response = await stream(id, '', { 'Last-Event-ID': cursor });
      assert.equal(response.status, 204);
      assert.equal(await response.text(), '');
    }
  });

  test('beyond the log of an open task reads as its end, and says so: what comes next comes, and nothing before', async () => {
    upstream.answer = () => undefined;
    const number = upstream.calls.length + 1;
    const id = await submit(system.url);
    const call = await upstream.call(number);
    const reader = rawGet(port, `/tasks/${id}/events`, { 'Last-Event-ID': '999-999' });
    await reader.has(/id: 1-1\nevent: gap\ndata: .*"from":"999-999","to":"1-1".*\n\n/);
    assert.equal(reader.text().match(/^id: /gm)?.length, 1);
    call.text('what comes next');
    call.finish();
    await reader.has(/what comes next[\s\S]*event: done\n/);
    assert.doesNotMatch(reader.text(), /event: started/);
    reader.close();
  });

  test('that is malformed is refused by name', async () => {
    const { id } = await endedTask();
    for (const cursor of [
      '1',
      '1-',
      '-1',
      'a-b',
      '1-2-3',
      '1-x',
      '1.0-1',
      '01-2',
      '1-02',
      '00-00',
      '*',
      '$',
      '+',
      '1234567890123456-1',
    ]) {
      const url = `${system.url}/tasks/${id}/events`;
      const byHeader = await ask(url, { headers: { 'Last-Event-ID': cursor } });
      assertProblem(byHeader, 400, 'invalid_request');
      assert.deepEqual(badPaths(byHeader), ['Last-Event-ID']);
      const byQuery = await ask(`${url}?after=${encodeURIComponent(cursor)}`);
      assertProblem(byQuery, 400, 'invalid_request');
      assert.deepEqual(badPaths(byQuery), ['after']);
      const beaten = await ask(`${url}?after=${encodeURIComponent(cursor)}`, { headers: { 'Last-Event-ID': '1-1' } });
      assertProblem(beaten, 400, 'invalid_request');
      assert.deepEqual(badPaths(beaten), ['after'], 'also where the header beats it');
    }
  });
});

test('readers that leave before their stream or their wait has begun are forgotten', async () => {
  const id = await submit(system.url, chat('later', { delay_ms: 600_000 }));
  for (let i = 0; i < 100; i++) {
    const connection = rawConnection(port);
    await new Promise((resolve) => connection.socket.once('connect', resolve));
    const path = i % 2 ? `/tasks/${id}/events` : `/tasks/${id}?wait=60`;
    await new Promise((resolve) => connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, resolve));
    connection.close();
  }
  await eventually(
    () => followedTasks(system.url),
    (followed) => followed === 0,
  );
});

test('many tasks at once, each with readers that come and go, end with exactly one `done` each, nothing lost or twice', async () => {
  upstream.answer = slowWords(40, 2);
  const ids = await Promise.all(Array.from({ length: 10 }, () => submit(system.url)));
  await Promise.all(
    ids.flatMap((id) =>
      [1, 3, 7, 1_000].map(async (dropEvery) => {
        await checkEnded(system.url, id, await followToEnd(system.url, id, { dropEvery }));
      }),
    ),
  );
});

test('an unknown task has no events: 404 before any stream begins', async () => {
  const headers = { Accept: 'text/event-stream' };
  assertProblem(await ask(`${system.url}/tasks/task_${'0'.repeat(25)}/events`, { headers }), 404, 'not_found');
});
