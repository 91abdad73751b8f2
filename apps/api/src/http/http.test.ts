import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chat, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { ask as askUrl, assertProblem, eventually, rawConnection } from '../../../../scripts/testing/raw.ts';
import { PROMPT } from '../../../../scripts/testing/system.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';

/** Of an API of its own: to any other a busy machine may bring a request so slowly. */
const REQUEST_TIMEOUT_MS = 1_500;

let system: InProcess;
let impatient: Awaited<ReturnType<InProcess['startApi']>>;
let port: number;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  impatient = await system.startApi({ REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) });
  port = system.apis[0]?.port ?? 0;
});
after(() => system.stop());

const TOO_LARGE = `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`;

const ask = (method: string, path: string) => askUrl(`${system.url}${path}`, { method });

/** Sends what is given, in order, each piece when the one before has been written; then says nothing more. */
async function trickle(to: number, ...pieces: string[]) {
  const connection = rawConnection(to);
  connection.read();
  const startedAt = performance.now();
  for (const piece of pieces) await new Promise((resolve) => connection.socket.write(piece, resolve));
  const text = await connection.ended;
  return { text, tookMs: performance.now() - startedAt, connection };
}

describe('an id that is unknown is 404, in the same bytes whatever is wrong with it', () => {
  for (const [method, suffix] of [
    ['GET', ''],
    ['GET', '?wait=5&after=1-1'],
    ['GET', '/events'],
    ['POST', '/cancel'],
    ['POST', '/retry'],
  ] as const) {
    test(`${method} /tasks/<id>${suffix}`, async () => {
      const id = await submit(system.url, chat('x', { delay_ms: 600_000 }));
      const last = id.at(-1) === '0' ? '1' : '0';
      const bodies = new Set<string>();
      const heads = new Set<string>();
      for (const unknown of [
        `${id.slice(0, -1)}${last}`,
        `task_${'z'.repeat(25)}`,
        `${id}0`,
        id.toUpperCase(),
        'task_',
        '1',
        '..%2f..%2fetc%2fpasswd',
        '%00',
        '%E0%A4%A',
        "'%20OR%201=1",
        '{0}:owner:local',
        'x'.repeat(4_000),
      ]) {
        const answer = await ask(method, `/tasks/${unknown}${suffix}`);
        assertProblem(answer, 404, 'not_found');
        bodies.add(answer.text.replace(answer.json.request_id, ''));
        const head = [...answer.headers].filter(([name]) => name !== 'x-request-id' && name !== 'date');
        heads.add(JSON.stringify(head));
      }
      assert.equal(bodies.size, 1);
      assert.equal(heads.size, 1);
    });
  }
});

describe('a page that does not exist is 404', () => {
  for (const path of ['/nothing', '/tasks/', '/api', '/api/chat/', '/tasks/x/nothing', '//tasks', '/tasks/a/b/c']) {
    for (const method of ['GET', 'POST']) {
      test(`${method} ${path}`, async () => assertProblem(await ask(method, path), 404, 'not_found'));
    }
  }
});

describe('a method that a page does not have is 405, with those it has', () => {
  for (const [path, allowed] of [
    ['/tasks', ['GET', 'POST']],
    ['/tasks/x', ['GET']],
    ['/tasks/x/events', ['GET']],
    ['/tasks/x/cancel', ['POST']],
    ['/tasks/x/retry', ['POST']],
    ['/api/chat', ['POST']],
    ['/', ['GET']],
    ['/openapi.json', ['GET']],
    ['/docs', ['GET']],
    ['/docs/', ['GET']],
    ['/docs/swagger-ui.css', ['GET']],
    ['/healthz', ['GET']],
    ['/readyz', ['GET']],
  ] as const) {
    test(path, async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        if ((allowed as readonly string[]).includes(method)) continue;
        const answer = await ask(method, path);
        assertProblem(answer, 405, 'method_not_allowed');
        assert.deepEqual((answer.headers.get('allow') ?? '').split(', ').sort(), allowed);
      }
    });
  }
});

test('HEAD answers with the head of GET and ends, so that the connection can be used again', async () => {
  const id = await submit(system.url, chat('x', { delay_ms: 600_000 }));
  for (const path of [
    '/',
    '/docs',
    '/docs/initializer.js',
    '/openapi.json',
    '/readyz',
    '/tasks',
    `/tasks/${id}`,
    `/tasks/${id}/events`,
  ]) {
    const connection = rawConnection(port);
    connection.read();
    connection.send(`HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    connection.send('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const [head, health] = (await connection.ended).split('\r\n\r\n');
    assert.match(head ?? '', /^HTTP\/1\.1 200 OK/, path);
    assert.match(health ?? '', /^HTTP\/1\.1 200 OK/, path);
    connection.close();
  }
});

describe('a client that sends too slowly is answered 408 and cut, though it keeps its own side open', () => {
  const head = 'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  for (const [what, pieces] of [
    ['nothing but a part of the head', ['POST /api/chat HTTP/1.1\r\nHost:']],
    ['a head without its end', [head]],
    ['a part of the body', [`${head}Content-Length: 100\r\n\r\n`, '{"mess', 'ages"']],
    ['a part of a chunked body', [`${head}Transfer-Encoding: chunked\r\n\r\n`, '5\r\n{"a":\r\n']],
  ] as const) {
    test(what, async (t) => {
      const machine = watchMachine(t, impatient.url);
      const { text, tookMs, connection } = await trickle(impatient.port, ...pieces);
      const lateMs = machine.stop();
      const [top = '', body = ''] = text.split('\r\n\r\n');
      assert.match(top, /^HTTP\/1\.1 408 Request Timeout\r\n/);
      assert.match(top, /^Connection: close$/im);
      const lines = top.split('\r\n').slice(1);
      const headers = new Headers(lines.map((line) => line.split(': ') as [string, string]));
      assertProblem({ status: 408, headers, json: JSON.parse(body) }, 408, 'request_timeout');
      assert.ok(tookMs >= REQUEST_TIMEOUT_MS * 0.8, `after ${tookMs} ms`);
      assert.ok(tookMs < REQUEST_TIMEOUT_MS + 1_000 + lateMs, `after ${tookMs} ms, of which ${lateMs} the machine's`);
      // The socket is gone, not only half closed: writing to it breaks.
      const { socket } = connection;
      const prod = setInterval(() => socket.write('x'), 10);
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      clearInterval(prod);
    });
  }

  test('it is no error of ours: nothing of it is in the log', () => {
    assert.doesNotMatch(system.logs(), /a request failed/);
  });
});

test('what is not HTTP, and a head that is too large, are answered 400', async () => {
  const nonsense = await trickle(port, 'NONSENSE\r\n\r\n');
  assert.match(nonsense.text, /^HTTP\/1\.1 400 [\s\S]*"code":"invalid_request"/);
  const large = await trickle(port, TOO_LARGE);
  assert.match(large.text, /^HTTP\/1\.1 400 [\s\S]*"path":"headers"/);
});

describe('what is not HTTP, after a request whose stream is open, cuts the stream and puts nothing into it', () => {
  for (const [what, to, bytes] of [
    ['bad bytes', () => port, 'NONSENSE\r\n\r\n'],
    ['a head that is too large', () => port, TOO_LARGE],
    ['a head that does not end', () => impatient.port, 'GET / HTTP/1.1\r\nHost:'],
  ] as const) {
    test(what, async () => {
      const id = await submit(system.url, chat('x', { delay_ms: 600_000 }));
      const connection = rawConnection(to());
      connection.read();
      connection.send(`GET /tasks/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await connection.has(/event: queued\n.*\n\n/);
      connection.send(bytes);
      const text = await connection.ended;
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, text);
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
      assert.doesNotMatch(text, /problem\+json|invalid_request|request_timeout/);
      connection.close();
    });
  }
});

test('/healthz says that the process lives', async () => {
  const { status, json } = await ask('GET', '/healthz');
  assert.equal(status, 200);
  assert.deepEqual(json, { status: 'ok' });
});

test('/readyz says what it checked', async () => {
  // One that could not be read in time is null, and a first look at the clock may have been a slow one.
  const { status, json } = await eventually(
    () => ask('GET', '/readyz'),
    ({ json }) => json.bus_backlog !== null && Math.abs(json.clock_offset_ms) < 100,
  );
  assert.equal(status, 200);
  assert.equal(json.status, 'degraded', 'it has no runner');
  assert.deepEqual([json.checks.redis, json.checks.writes, json.checks.clock], ['ok', 'ok', 'ok']);
  assert.equal(typeof json.bus_backlog, 'number');
});

test('while Redis is frozen /readyz and submits are 503 within 300 ms, /healthz is well, and all is back when it thaws', async (t) => {
  const redis = await testRedis();
  const { url, stop } = await startInProcess({ redis, runners: 0, relays: 0, env: PROMPT });
  t.after(stop);
  t.after(redis.stop);
  const ask = (method: string, path: string) => askUrl(`${url}${path}`, { method });
  const machine = watchMachine(t, url);
  const tookMs: number[] = [];
  const timed = async <T>(work: Promise<T>) => {
    const [startedAt, lateBefore] = [performance.now(), machine.lateMs()];
    const answer = await work;
    tookMs.push(performance.now() - startedAt - (machine.lateMs() - lateBefore));
    return answer;
  };
  for (let round = 0; round < 7; round++) {
    redis.pause();
    const [ready, refused] = await Promise.all([
      timed(ask('GET', '/readyz')),
      timed(post(url, '/api/chat', chat('never'))),
    ]);
    assert.equal(ready.status, 503);
    assert.equal(ready.json.status, 'unavailable');
    assert.equal(ready.json.checks.redis, 'unreachable');
    assertProblem(refused, 503, 'unavailable');
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal((await ask('GET', '/healthz')).status, 200);
    assertProblem(await ask('GET', '/tasks'), 503, 'unavailable');
    redis.resume();
    await eventually(
      () => ask('GET', '/readyz'),
      ({ status }) => status === 200,
    );
  }
  const { tasks } = (await ask('GET', '/tasks?limit=200')).json;
  assert.deepEqual(tasks, [], 'no refused submit came to life');
  // The typical one, without what the machine took.
  const median = tookMs.sort((a, b) => a - b)[tookMs.length >> 1] ?? 0;
  assert.ok(median < 300, `503 after ${tookMs.map(Math.round)} ms`);
});
