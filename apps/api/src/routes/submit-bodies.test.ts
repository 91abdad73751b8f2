import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chat, post } from '../../../../scripts/testing/client.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { assertProblem, badPaths, cpuMs, memoryMb, rawConnection } from '../../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';

const MAX_BODY_BYTES = 10 * 1024 * 1024;
const JSON_HEAD = 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

let system: System;
let port: number;
let pid: number | undefined;
before(async () => {
  system = await startSystem({ runners: 0, relays: 0 });
  port = system.apis[0]?.port ?? 0;
  pid = system.apis[0]?.child.pid;
});
after(() => system.stop());

/** Sends bytes in chunks until all are sent or the other side stops it. Gives the answer and how much was sent. */
async function sendChunked(totalBytes: number, head = JSON_HEAD) {
  const connection = rawConnection(port);
  connection.read();
  connection.send(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  const piece = Buffer.from(`10000\r\n${'a'.repeat(65_536)}\r\n`);
  let sent = 0;
  let over = false;
  void connection.ended.then(() => {
    over = true;
  });
  while (sent < totalBytes && !over) {
    sent += 65_536;
    if (connection.send(piece)) continue;
    const drained = new Promise((resolve) => connection.socket.once('drain', resolve));
    await Promise.race([drained, connection.ended]);
  }
  const text = await connection.ended;
  connection.close();
  return { text, sent };
}

describe('a body that is not a JSON object is refused', () => {
  for (const [name, body, detail] of [
    ['empty', '', 'empty'],
    ['an array', '[]', 'must be a JSON object'],
    ['a string', '"messages"', 'must be a JSON object'],
    ['null', 'null', 'must be a JSON object'],
    ['a number', '7', 'must be a JSON object'],
    ['broken', '{"messages":[', 'not valid JSON'],
    ['with a comment', '{/* hi */}', 'not valid JSON'],
    ['two objects', '{}{}', 'not valid JSON'],
    ['form data', 'a=b', 'not valid JSON'],
  ] as const) {
    test(name, async () => {
      for (const path of ['/api/chat', '/tasks']) {
        const answer = await post(system.url, path, body);
        assertProblem(answer, 400, 'invalid_request');
        assert.ok(answer.json.errors[0].message.includes(detail));
        assert.deepEqual(badPaths(answer), ['']);
      }
    });
  }
});

test('a broken body is not quoted in its refusal', async () => {
  const { text } = await post(system.url, '/api/chat', '{"messages": canary-in-broken-json');
  assert.ok(!text.includes('canary'));
});

test('bytes that are not UTF-8 are refused instead of being changed', async () => {
  const body = Buffer.concat([Buffer.from('{"messages":[{"role":"user","content":"'), Buffer.from([0xff, 0xc3])]);
  const connection = rawConnection(port);
  connection.read();
  connection.send(`${JSON_HEAD}Connection: close\r\nContent-Length: ${body.length + 4}\r\n\r\n`);
  connection.send(body);
  connection.send('"}]}');
  assert.match(await connection.ended, /^HTTP\/1\.1 400 [\s\S]*not valid UTF-8/);
  connection.close();
});

test('a media type that is not JSON is refused as 415', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'json']) {
    for (const path of ['/api/chat', '/tasks']) {
      assertProblem(
        await post(system.url, path, JSON.stringify(chat()), { 'Content-Type': type }),
        415,
        'unsupported_media_type',
      );
    }
  }
});

test('a body of exactly the limit is accepted, one byte more is refused as 413 before it is read', async () => {
  const empty = JSON.stringify(chat('')).length;
  const whole = await post(system.url, '/api/chat', chat('x'.repeat(MAX_BODY_BYTES - empty)));
  assert.equal(whole.status, 202);
  assertProblem(
    await post(system.url, '/api/chat', chat('x'.repeat(MAX_BODY_BYTES - empty + 1))),
    413,
    'payload_too_large',
  );

  const announced = rawConnection(port);
  announced.read();
  announced.send(`${JSON_HEAD}Content-Length: 1000000000000\r\n\r\n`);
  assert.match(await announced.ended, /^HTTP\/1\.1 413 .*\r\n[\s\S]*"code":"payload_too_large"/);
  announced.close();
});

test('a chunked body of 1 GB is refused as 413 as soon as it is too large, it is not read to its end, and the memory stays flat', async () => {
  const warm = await sendChunked(2 * MAX_BODY_BYTES);
  assert.match(warm.text, /^HTTP\/1\.1 413 /);
  const before = await memoryMb(pid);
  for (let i = 0; i < 3; i++) {
    const { text, sent } = await sendChunked(1e9);
    assert.match(text, /^HTTP\/1\.1 413 Payload Too Large\r\n[\s\S]*"code":"payload_too_large"/);
    assert.ok(sent < 128 * 1024 * 1024, `${sent} bytes were taken`);
  }
  const grown = (await memoryMb(pid)) - before;
  assert.ok(grown < 64, `the API grew by ${grown} MB`);
});

test('a body of the wrong media type is refused as 415, and its endless rest is cut soon', async (t) => {
  const machine = watchMachine(t, system.url);
  const startedAt = performance.now();
  const { text } = await sendChunked(Number.POSITIVE_INFINITY, JSON_HEAD.replace('application/json', 'text/plain'));
  assert.match(text, /^HTTP\/1\.1 415 /);
  // Long before a request has to be there.
  assert.ok(performance.now() - startedAt < 5_000 + machine.stop());
});

describe('a bomb is refused at little cost of CPU, in an answer of sane size and without growing', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `"${i.toString(36)}":1`).join(',');
  const nested = '['.repeat(5e6) + ']'.repeat(5e6);
  for (const [name, path, body] of [
    ['arrays nested 5 million deep', '/api/chat', `{"messages":${nested}}`],
    ['open brackets only', '/api/chat', '['.repeat(1e7)],
    ['objects nested a million deep', '/tasks', `${'{"input":'.repeat(1e6)}1${'}'.repeat(1e6)}`],
    ['65 levels', '/api/chat', `{"messages":${'['.repeat(64)}${']'.repeat(64)}}`],
    ['a million unknown fields', '/api/chat', `{${keys(1e6)}}`],
    ['a million options', '/tasks', `{"type":"chat.request","input":{},${keys(1e6)}}`],
    ['a million metadata pairs', '/api/chat', `{"messages":[{"role":"user","content":"x"}],"metadata":{${keys(1e6)}}}`],
    ['a million messages', '/api/chat', `{"messages":[${Array(1e6).fill('{}').join(',')}]}`],
    ['a million bad messages', '/api/chat', `{"messages":[${Array(1e6).fill('1').join(',')}]}`],
    ['five million numbers as messages', '/api/chat', `{"messages":[${'0,'.repeat(5e6)}0]}`],
    ['90,000 unknown fields', '/api/chat', `{${keys(90_000)}}`],
    ['10,000 bad messages', '/api/chat', `{"messages":[${Array(10_000).fill('{"a":1}').join(',')}]}`],
    ['a name of 5 MB', '/api/chat', `{"${'x'.repeat(5e6)}":1}`],
  ] as const) {
    test(name, async (t) => {
      const before = await memoryMb(pid);
      const cpuBefore = await cpuMs(pid);
      const answer = await post(system.url, path, body);
      const spentMs = (await cpuMs(pid)) - cpuBefore;
      assertProblem(answer, 400, 'invalid_request');
      assert.ok(answer.text.length < 100_000, `the answer has ${answer.text.length} characters`);
      assert.ok(spentMs < 1_500, `it took ${spentMs} ms of CPU`);
      t.diagnostic(`${spentMs} ms`);
      const grown = (await memoryMb(pid)) - before;
      assert.ok(grown < 150, `the API grew by ${grown} MB`);
    });
  }
});

test('__proto__ in a body is an unknown field like any other, and changes no object', async () => {
  for (const [path, body, bad] of [
    ['/api/chat', '{"messages":[{"role":"user","content":"x"}],"__proto__":{"priority":"high"}}', '__proto__'],
    ['/api/chat', '{"messages":[{"role":"user","content":"x"}],"metadata":{"__proto__":"x"}}', 'metadata.__proto__'],
    ['/api/chat', '{"messages":[{"role":"user","content":"x"}],"constructor":{"prototype":{}}}', 'constructor'],
    [
      '/tasks',
      '{"type":"chat.request","input":{"messages":[{"role":"user","content":"x"}]},"__proto__":{}}',
      '__proto__',
    ],
    [
      '/tasks',
      '{"type":"chat.request","input":{"messages":[{"role":"user","content":"x"}],"__proto__":{}}}',
      'input.__proto__',
    ],
  ] as const) {
    const answer = await post(system.url, path, body);
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), [bad]);
  }
});
