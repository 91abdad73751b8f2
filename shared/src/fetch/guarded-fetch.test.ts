/** What the one fetch of URLs that others name reaches, and what it never does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { readConfig } from '../config.ts';
import { FetchError, type FetchProblem } from './fetch-error.ts';
import { createGuardedFetch, type FetchOptions } from './guarded-fetch.ts';
import type { Resolve } from './resolve.ts';
import { hostileUrls, names } from './testing/hostile-urls.ts';

async function listen(t: TestContext, host: string, listener: RequestListener, port = 0): Promise<Server> {
  const server = createServer(listener);
  server.listen(port, host);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return server;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A server on every address of this machine that nobody may reach, and how often somebody did. */
async function canary(t: TestContext) {
  const hits: string[] = [];
  const server = await listen(t, '0.0.0.0', (request, response) => response.end(request.url));
  server.on('connection', ({ localAddress }) => hits.push(String(localAddress)));
  const port = portOf(server);
  // Where this machine has no IPv6 nothing is reached by it.
  const six = createServer((request, response) => response.end(request.url));
  six.on('connection', ({ localAddress }) => hits.push(String(localAddress)));
  six.on('error', () => undefined);
  six.listen({ port, host: '::', ipv6Only: true });
  t.after(() => six.close());
  return { hits, port };
}

const told: Resolve = async (host) => {
  if (host === 'nobody-answers.example') throw new Error('ETIMEOUT');
  return names[host] ?? [];
};

const TEXT = ['text/*', 'application/json'];

/** A fetch with this environment. */
function fetcher(env: Record<string, string>, resolve: Resolve = told) {
  const fetch = createGuardedFetch(readConfig(env), resolve);
  return (url: string, options: Partial<FetchOptions> = {}) =>
    fetch(url, { signal: new AbortController().signal, types: TEXT, ...options });
}

/** A server of this machine that the operator allows, and a fetch that may reach it. */
async function allowed(t: TestContext, listener: RequestListener, env: Record<string, string> = {}) {
  const server = await listen(t, '127.0.0.1', listener);
  const host = `127.0.0.1:${portOf(server)}`;
  return { url: `http://${host}`, fetch: fetcher({ FETCH_ALLOW: host, ...env }) };
}

const fails = (work: Promise<unknown>, problem: FetchProblem | FetchProblem[], message = '') =>
  assert.rejects(work, (error) => {
    assert.ok(error instanceof FetchError, `${message}: ${error}`);
    assert.ok([problem].flat().includes(error.problem), `${message}: ${error.problem}: ${error.message}`);
    return true;
  });

test('no URL reaches what is not public, whatever its trick', async (t) => {
  const { hits, port } = await canary(t);
  const fetch = fetcher({ FETCH_PORTS: `80,443,${port}` });
  let count = 0;
  for (const [trick, urls] of Object.entries(hostileUrls)) {
    for (const text of urls) {
      const url = text.replaceAll('PORT', String(port));
      await fails(fetch(url), ['url', 'address', 'port'], `${trick}: ${JSON.stringify(url)}`);
      count++;
    }
  }
  assert.deepEqual(hits, []);
  assert.ok(count >= 180, `${count} URLs`);
});

test('no URL reaches this machine by an address of its own, though that were public', async (t) => {
  const { hits, port } = await canary(t);
  const fetch = fetcher({ FETCH_PORTS: String(port) });
  const own = Object.values(networkInterfaces()).flatMap((all = []) => all);
  for (const { address, family } of own) {
    const host = family === 'IPv6' ? `[${address.replace(/%.*$/, '')}]` : address;
    await fails(fetch(`http://${host}:${port}/`), 'address', host);
  }
  assert.deepEqual(hits, []);
});

test('what the operator allows is reached at the port that was named, and nothing beside it', async (t) => {
  const { hits, port } = await canary(t);
  const open = await listen(t, '127.0.0.1', (_, response) =>
    response.setHeader('content-type', 'text/plain').end('in'),
  );
  const at = portOf(open);
  for (const env of [
    { FETCH_ALLOW: `127.0.0.1:${at}` },
    { FETCH_ALLOW: '127.0.0.0/8', FETCH_PORTS: String(at) },
    { FETCH_ALLOW: '127.0.0.1', FETCH_PORTS: String(at) },
  ]) {
    const fetch = fetcher(env);
    assert.equal(String((await fetch(`http://127.0.0.1:${at}/`)).body), 'in');
    await fails(fetch(`http://127.0.0.1:${port}/`), 'port', JSON.stringify(env));
  }
  const byName = fetcher({ FETCH_ALLOW: `Wiki.example:${at}` }, async () => ['127.0.0.1']);
  assert.equal(String((await byName(`http://wiki.EXAMPLE:${at}/`)).body), 'in');
  await fails(byName(`http://other.example:${at}/`), 'port');
  const ofNetwork = fetcher({ FETCH_ALLOW: '127.0.0.1/32', FETCH_PORTS: String(at) }, async () => ['127.0.0.1']);
  assert.equal(String((await ofNetwork(`http://wiki.example:${at}/`)).body), 'in');
  assert.deepEqual(hits, []);
});

test('where a fetch is sent on to is looked at as its first URL was', async (t) => {
  const { hits, port } = await canary(t);
  let targets: string[] = [];
  const { url, fetch } = await allowed(
    t,
    (request, response) => {
      const target = targets[Number(request.url?.slice(1))] ?? '';
      response.writeHead(302, { location: target }).end();
    },
    { FETCH_PORTS: `80,443,${port}` },
  );
  targets = Object.values(hostileUrls)
    .flat()
    .map((text) => text.replaceAll('PORT', String(port)))
    .map((text) => text.replace(/[\r\n\t]/g, '').replace(/[^\x20-\x7e]/gu, encodeURIComponent))
    // One that is read as a path leads to the same server.
    .filter((text) => URL.parse(text, url)?.origin !== url);
  for (const [index, target] of targets.entries())
    await fails(fetch(`${url}/${index}`), ['url', 'address', 'port'], `sent on to ${target}`);
  assert.deepEqual(hits, []);
  assert.ok(targets.length >= 150, `${targets.length} targets`);
});

test('a name that means another address a moment later is never asked again: the one that was looked at is connected to', async (t) => {
  // Two addresses of this machine: one is open here, as a public one is; the other is not.
  const open = await listen(t, '127.0.0.2', (_, response) =>
    response.setHeader('content-type', 'text/plain').end('open'),
  ).catch(() => null);
  if (!open) return t.skip('this machine has no 127.0.0.2');
  const port = portOf(open);
  const hits: unknown[] = [];
  await listen(t, '127.0.0.1', (_, response) => response.end(String(hits.push(1))), port);
  const answers = [['127.0.0.2'], ['127.0.0.1'], ['127.0.0.1']];
  let asked = 0;
  const fetch = fetcher({ FETCH_ALLOW: '127.0.0.2/32', FETCH_PORTS: String(port) }, async () => answers[asked++] ?? []);
  assert.equal(String((await fetch(`http://rebind.example:${port}/`)).body), 'open');
  assert.equal(asked, 1);
  await fails(fetch(`http://rebind.example:${port}/`), 'address');
  const mixed = fetcher({ FETCH_ALLOW: '127.0.0.2/32', FETCH_PORTS: String(port) }, async () => [
    '127.0.0.1',
    '127.0.0.2',
  ]);
  assert.equal(String((await mixed(`http://mixed.example:${port}/`)).body), 'open');
  assert.deepEqual(hits, []);
});

test('it is sent on three times at most, and says where it found the answer', async (t) => {
  const { url, fetch } = await allowed(t, (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left > 0) response.writeHead([301, 302, 303, 307, 308][left % 5] ?? 302, { location: `/${left - 1}` }).end();
    else response.setHeader('content-type', 'text/plain').end('here');
  });
  const { url: found, status, type, body } = await fetch(`${url}/3#part`);
  assert.deepEqual([found, status, type, String(body)], [`${url}/0`, 200, 'text/plain', 'here']);
  await fails(fetch(`${url}/4`), 'redirects');
});

test('nothing that tells who asks is sent, and a status is an answer as any other', async (t) => {
  let headers: Record<string, unknown> = {};
  const { url, fetch } = await allowed(t, (request, response) => {
    headers = request.headers;
    response.writeHead(404, { 'content-type': 'text/html; charset="EUC-KR"', 'set-cookie': 'a=b' }).end('no');
  });
  const { status, charset } = await fetch(url);
  await fetch(url);
  assert.deepEqual([status, charset], [404, 'euc-kr']);
  assert.deepEqual(Object.keys(headers).sort(), ['accept', 'accept-encoding', 'connection', 'host', 'user-agent']);
});

test('types that are not wanted are refused before their body is read', async (t) => {
  const { url, fetch } = await allowed(t, (request, response) => {
    const type = decodeURIComponent(request.url?.slice(1) ?? '');
    if (type !== '') response.setHeader('content-type', type);
    response.write('x');
  });
  for (const type of ['image/png', 'application/octet-stream', 'text', 'textual/html', '']) {
    await fails(fetch(`${url}/${encodeURIComponent(type)}`), 'type', type);
  }
});

const MiB = 1024 * 1024;

test('an answer of a gigabyte, said or unsaid, ends the fetch after its first bytes', async (t) => {
  let sent = 0;
  const block = Buffer.alloc(MiB, 'x');
  const { url, fetch } = await allowed(t, (request, response) => {
    const length = request.url === '/said' ? { 'content-length': 1024 * MiB } : {};
    response.writeHead(200, { 'content-type': 'text/plain', ...length });
    const send = () => {
      while (sent < 1024 && !response.destroyed) {
        sent++;
        if (!response.write(block)) return response.once('drain', send);
      }
      return response.end();
    };
    send();
  });
  for (const place of ['/said', '/unsaid']) {
    sent = 0;
    const before = process.memoryUsage().arrayBuffers;
    await fails(fetch(`${url}${place}`, { maxBytes: 10_000 }), 'size', place);
    await fails(fetch(`${url}${place}`), 'size', place);
    assert.ok(sent < 64, `${sent} MiB were sent`);
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * MiB);
  }
});

const brotli = (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
const packed: [encoding: string, pack: (bytes: Buffer) => Buffer][] = [
  ['gzip', (bytes) => gzipSync(bytes)],
  ['x-gzip', (bytes) => gzipSync(bytes)],
  ['deflate', (bytes) => deflateSync(bytes)],
  ['br', brotli],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
  ['gzip, br', (bytes) => brotli(gzipSync(bytes))],
  ['GZIP', (bytes) => gzipSync(bytes)],
];

for (const [encoding, pack] of packed) {
  test(`${encoding}: what is packed is unpacked, a bomb is not, and what is damaged says so`, async (t) => {
    const good = pack(Buffer.from('a bean '.repeat(100)));
    const bomb = pack(Buffer.alloc(100 * MiB));
    const bodies: Record<string, Buffer> = {
      '/good': good,
      '/bomb': bomb,
      '/cut': good.subarray(0, good.length - 3),
      '/garbage': Buffer.from('this is packed in no way at all'),
    };
    const { url, fetch } = await allowed(t, (request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': encoding });
      response.end(bodies[request.url ?? '']);
    });
    assert.equal(String((await fetch(`${url}/good`)).body), 'a bean '.repeat(100));
    const before = process.memoryUsage().arrayBuffers;
    await fails(fetch(`${url}/bomb`), 'size');
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * MiB, 'memory is bounded');
    for (const damaged of ['/cut', '/garbage']) await fails(fetch(`${url}${damaged}`), 'encoding', damaged);
  });
}

test('encodings that are not read, or that are too many, are refused', async (t) => {
  const { url, fetch } = await allowed(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': request.url?.slice(1) });
    response.end(gzipSync('x'));
  });
  for (const encoding of ['compress', 'constructor', 'gzip,gzip,gzip'])
    await fails(fetch(`${url}/${encoding}`), 'encoding');
});

test('a server that is silent, before its head, in its body or while it unpacks, is left when the time is over', async (t) => {
  const { url, fetch } = await allowed(
    t,
    (request, response) => {
      if (request.url === '/never') return;
      const encoding = request.url === '/packed' ? { 'content-encoding': 'gzip' } : {};
      response.writeHead(200, { 'content-type': 'text/plain', ...encoding });
      response.write(request.url === '/packed' ? gzipSync('x'.repeat(1_000)).subarray(0, 15) : 'a');
    },
    { FETCH_TIMEOUT_MS: '200' },
  );
  for (const place of ['/never', '/body', '/packed']) await fails(fetch(`${url}${place}`), 'time', place);
  const unresolved = fetcher({ FETCH_TIMEOUT_MS: '200' }, () => new Promise(() => undefined));
  await fails(unresolved('http://slow.example/'), 'time');
});

test('whoever calls it off is heard at once, with the reason that was given', async (t) => {
  const asked = Promise.withResolvers<void>();
  const { url, fetch } = await allowed(t, () => asked.resolve());
  const off = new AbortController();
  const work = fetch(url, { signal: off.signal });
  await asked.promise;
  const reason = new Error('the task was cancelled');
  off.abort(reason);
  await assert.rejects(work, reason);
  await assert.rejects(fetch(url, { signal: off.signal }), reason);
});

test('no more than so many are under way at once, and those that wait come in their turn', async (t) => {
  let underWay = 0;
  let most = 0;
  const { url, fetch } = await allowed(
    t,
    (_, response) => {
      most = Math.max(most, ++underWay);
      setImmediate(() => {
        underWay--;
        response.setHeader('content-type', 'text/plain').end('x');
      });
    },
    { FETCH_CONCURRENCY: '2' },
  );
  const off = new AbortController();
  const gone = fetch(url, { signal: off.signal });
  const all = Promise.all(Array.from({ length: 20 }, () => fetch(url)));
  off.abort();
  await assert.rejects(gone, { name: 'AbortError' });
  assert.equal((await all).length, 20);
  assert.ok(most <= 2, `${most} at once`);
});

test('a server that refuses or resets, or a name that nobody could look up, fails the fetch, which may be tried again', async (t) => {
  const { url, fetch } = await allowed(t, (_, response) => response.socket?.destroy());
  await assert.rejects(fetch(url), { code: 'fetch_failed', problem: 'connection' });
  const gone = await listen(t, '127.0.0.1', () => undefined);
  const port = portOf(gone);
  gone.close();
  await fails(fetcher({ FETCH_ALLOW: `127.0.0.1:${port}` })(`http://127.0.0.1:${port}/`), 'connection');
  await fails(fetcher({})('http://nobody-answers.example/'), 'connection');
});

test('no message names more than the host', async (t) => {
  const { port } = await canary(t);
  await assert.rejects(
    fetcher({ FETCH_PORTS: String(port) })(`http://127.0.0.1:${port}/secret-path`),
    (error: Error) => {
      assert.doesNotMatch(error.message, /secret-path/);
      return true;
    },
  );
  const [inside, nowhere] = await Promise.all(
    ['private.example', 'unknown.example'].map((host) =>
      fetcher({})(`http://${host}/`).then(
        () => '',
        ({ message }: Error) => message.replace(host, ''),
      ),
    ),
  );
  assert.equal(inside, nowhere, 'whoever asks does not learn which names there are inside');
});
