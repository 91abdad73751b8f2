/** Requests that name their host wrongly or not at all, and what else never reaches the application. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, rawConnection } from '../../../../scripts/testing/raw.ts';

let system: InProcess;
let keyed: Awaited<ReturnType<InProcess['startApi']>>;
before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  keyed = await system.startApi({ API_KEYS: 'anna:anna-key-0123456789' });
});
after(() => system.stop());

/** The whole answer to these bytes, after which the server closes. */
async function answerTo(bytes: string, port = system.apis[0]?.port ?? 0) {
  const connection = rawConnection(port);
  connection.read();
  connection.send(bytes);
  const text = await connection.ended;
  connection.close();
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]));
  return { status: Number(first.split(' ')[1]), headers, text: body, json: body.startsWith('{') && JSON.parse(body) };
}

test('a load balancer that asks by HTTP/1.0 without a Host learns whether the API lives and is ready', async () => {
  for (const port of [system.apis[0]?.port, keyed.port]) {
    for (const path of ['/healthz', '/readyz']) {
      for (const method of ['GET', 'OPTIONS', 'HEAD']) {
        const { status, json } = await answerTo(`${method} ${path} HTTP/1.0\r\n\r\n`, port);
        assert.equal(status, method === 'OPTIONS' ? 405 : 200, `${method} ${path}`);
        if (method === 'GET') assert.ok(json.status);
      }
    }
  }
});

test('without a Host an open API answers nothing of an owner, and one with keys asks for the key', async () => {
  assertProblem(await answerTo('GET /tasks HTTP/1.0\r\n\r\n'), 403, 'forbidden');
  assertProblem(await answerTo('GET /tasks HTTP/1.0\r\n\r\n', keyed.port), 401, 'unauthorized');
  const authorization = 'Authorization: Bearer anna-key-0123456789';
  assert.equal((await answerTo(`GET /tasks HTTP/1.0\r\n${authorization}\r\n\r\n`, keyed.port)).status, 200);
});

test('an address of 127 that is none is no loopback', async () => {
  const answer = await answerTo('GET /tasks HTTP/1.1\r\nHost: 127.999.1.1\r\nConnection: close\r\n\r\n');
  assertProblem(answer, 403, 'forbidden');
});

describe('every 400 of the server is a problem, closes the connection and names no file of ours:', () => {
  const HOST = 'Host: localhost';
  const large = 'x'.repeat(20_000);
  for (const [what, bytes] of [
    ['two Host headers', `GET /healthz HTTP/1.1\r\n${HOST}\r\nHost: example.com\r\n\r\n`],
    ['twice the same Host', `GET /healthz HTTP/1.0\r\n${HOST}\r\nhost: localhost\r\n\r\n`],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a Host with a path', 'GET /healthz HTTP/1.1\r\nHost: localhost/x\r\n\r\n'],
    ['an address that is none', `GET http://[::1/healthz HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['an address without a slash', `GET healthz HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a backslash in the path', `GET /tasks\\x HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['no request line', 'NONSENSE\r\n\r\n'],
    ['another protocol', `GET / FTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a version that is none', `GET / HTTP/9.9\r\n${HOST}\r\n\r\n`],
    ['a header without a name', `GET / HTTP/1.1\r\n${HOST}\r\n: x\r\n\r\n`],
    ['a line break in a header', `GET / HTTP/1.1\r\n${HOST}\r\nX-A: a\nb\r\n\r\n`],
    ['headers that are too large', `GET / HTTP/1.1\r\n${HOST}\r\nX-Large: ${large}\r\n\r\n`],
    ['an address that is too long', `GET /${large} HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['two lengths', `POST /tasks HTTP/1.1\r\n${HOST}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{`],
    [
      'a length beside chunks',
      `POST /tasks HTTP/1.1\r\n${HOST}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ],
    ['a length that is none', `POST /tasks HTTP/1.1\r\n${HOST}\r\nContent-Length: x\r\n\r\n`],
    [
      'a chunk that is none',
      `POST /tasks HTTP/1.1\r\n${HOST}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
  ] as const) {
    test(what, async () => {
      for (const port of [system.apis[0]?.port, keyed.port]) {
        // A key is asked for before the body is read.
        if (what === 'a chunk that is none' && port === keyed.port) continue;
        const answer = await answerTo(bytes, port);
        assertProblem(answer, 400, 'invalid_request');
        assert.equal(answer.headers.get('connection'), 'close');
        assert.doesNotMatch(answer.text, /node_modules|\.ts|HPE_|ERR_/);
      }
    });
  }
});
