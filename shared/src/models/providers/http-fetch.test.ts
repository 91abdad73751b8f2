/** What global fetch did for every call, and what it could not: the rest is in faults.test.ts and providers.test.ts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import {
  brotliCompressSync,
  createBrotliCompress,
  createDeflate,
  createGzip,
  createZstdCompress,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import {
  callOf,
  collect,
  dialects,
  failureOf,
  KEY,
  startRaw,
  viaOpenai,
} from '../../../../scripts/testing/dialects.ts';
import { createHttpFetch, DEADLINES } from './http-fetch.ts';

const run = promisify(execFile);
const httpFetch = createHttpFetch();
const cancelled = new Error('the reason of this test');

/** Takes connections and says nothing, so that none for TLS is ever made. */
async function startSilent(t: TestContext) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.once('data', () => server.emit('asked', socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { server, sockets, port, url: `https://127.0.0.1:${port}` };
}

for (const dialect of dialects) {
  const { text, end, contentType } = dialect;

  describe(dialect.name, () => {
    for (const [what, encoding, encoder] of [
      ['gzip', 'gzip', createGzip],
      ['deflate', 'deflate', createDeflate],
      ['Brotli', 'br', createBrotliCompress],
      ['Zstandard', 'zstd', createZstdCompress],
    ] as const) {
      test(`an answer in ${what}, which nobody asked for, comes through as it arrives`, async (t) => {
        const encoded = encoder();
        const { url, requests } = await startRaw(t, (response) => {
          response.writeHead(200, { 'content-type': contentType, 'content-encoding': encoding });
          encoded.pipe(response);
          encoded.write(text('first '));
          encoded.flush();
        });
        const chunks = dialect.provider(url).chat(callOf())[Symbol.asyncIterator]();
        assert.equal((await chunks.next()).value.text, 'first ');
        encoded.end(text('second') + end());
        assert.equal((await chunks.next()).value.text, 'second');
        for (let done = false; !done; ) done = (await chunks.next()).done ?? false;
        assert.equal(requests[0]?.headers['accept-encoding'], 'identity');
      });
    }

    test('what is said to be in gzip and is not is provider_busy', async (t) => {
      const { url } = await startRaw(t, (response) => {
        response.writeHead(200, { 'content-type': contentType, 'content-encoding': 'gzip' }).end(text('plain'));
      });
      await assert.rejects(collect(dialect.provider(url).chat(callOf())), { code: 'provider_busy' });
    });

    test('a call that is sent on to another address goes there whole, but without the key', async (t) => {
      const there = await startRaw(t, (response) => {
        response.writeHead(200, { 'content-type': contentType }).end(text('there') + end());
      });
      const here = await startRaw(t, (response) => {
        response.writeHead(307, { location: `${there.url}/elsewhere` }).end();
      });
      const { all } = await collect(dialect.provider(here.url).chat(callOf()));
      assert.equal(all[0]?.text, 'there');
      const [sent, arrived] = [here.requests[0], there.requests[0]];
      assert.equal(sent?.headers.authorization, `Bearer ${KEY}`);
      assert.deepEqual(
        [arrived?.url, arrived?.headers.authorization, arrived?.body],
        ['/elsewhere', undefined, sent?.body],
      );
    });

    for (const status of [301, 302, 307, 308]) {
      test(`a call that is sent on by ${status} to another path of its server goes there as it is, with its key`, async (t) => {
        const { url, requests } = await startRaw(t, (response) => {
          if (requests.length === 1) response.writeHead(status, { location: '/moved?by=1' }).end('moved');
          else response.writeHead(200, { 'content-type': contentType }).end(text('there') + end());
        });
        assert.equal((await collect(dialect.provider(url).chat(callOf()))).text, 'there');
        const [sent, arrived] = requests;
        assert.deepEqual([arrived?.method, arrived?.url, arrived?.body], ['POST', '/moved?by=1', sent?.body]);
        for (const name of ['authorization', 'content-type'])
          assert.equal(arrived?.headers[name], sent?.headers[name], name);
      });
    }

    test('a call that is sent on to another host is refused in our words, and nothing gets there', async (t) => {
      const there = await startRaw(t, (response) => void response.end());
      const here = await startRaw(t, (response) => {
        response.writeHead(308, { location: there.url.replace('127.0.0.1', 'localhost') }).end();
      });
      const error = await failureOf(collect(dialect.provider(here.url).chat(callOf())));
      assert.equal(error.code, 'provider_refused');
      assert.match(error.message, /sends its calls on to another host.*HTTP 308/);
      assert.deepEqual([here.requests.length, there.requests.length], [1, 0]);
    });

    for (const way of ['at its own address', 'at the one that it is sent on to']) {
      test(`an abort while a connection is being made ${way} is heard at once, whatever comes of it later`, async (t) => {
        const silent = await startSilent(t);
        const here = await startRaw(t, (response) => {
          response.writeHead(307, { location: `${silent.url}/elsewhere` }).end();
        });
        const asked = once(silent.server, 'asked');
        const controller = new AbortController();
        const { url } = way === 'at its own address' ? silent : here;
        const whole = collect(dialect.provider(url).chat(callOf({ signal: controller.signal })));
        whole.catch(() => {});
        const [socket] = (await asked) as [Socket];
        controller.abort(cancelled);
        await assert.rejects(whole, (error) => error === cancelled);
        // Here an error comes of it, which ends the connection.
        const closed = once(socket, 'close');
        socket.resume().write('no TLS\r\n');
        await closed;
        assert.equal(silent.sockets.length, 1);
      });
    }

    test('a server that sends a call in a circle is provider_busy', async (t) => {
      const { url, requests } = await startRaw(t, (response) => {
        response.writeHead(307, { location: `/again-${requests.length}` }).end();
      });
      await assert.rejects(collect(dialect.provider(url).chat(callOf())), { code: 'provider_busy' });
      assert.equal(requests.length, 21);
    });

    test('a server that sends a call on to where it has just been is provider_busy at once', async (t) => {
      const { url, requests } = await startRaw(t, (response) => {
        response.writeHead(307, { location: requests[0]?.url }).end();
      });
      await assert.rejects(collect(dialect.provider(url).chat(callOf())), { code: 'provider_busy' });
      assert.equal(requests.length, 1);
    });
  });
}

const large = Buffer.from('꿀'.repeat(500_000));
/** What a server says of a body's encoding, and the body that it sends. */
async function answerOf(t: TestContext, encoding: string, body: Buffer) {
  const { url } = await startRaw(t, (response) => {
    response.writeHead(200, { 'content-encoding': encoding }).end(body);
  });
  return httpFetch(url, {});
}

for (const [encoding, body] of [
  ['gzip', gzipSync(large)],
  ['X-GZIP', gzipSync(large)],
  ['deflate', deflateSync(large)],
  ['br', brotliCompressSync(large)],
  ['zstd', zstdCompressSync(large)],
  ['identity', large],
  ['gzip, gzip', gzipSync(gzipSync(large))],
  ['br, deflate', deflateSync(brotliCompressSync(large))],
  ['deflate,gzip', gzipSync(deflateSync(large))],
  ['gzip,gzip,gzip,gzip,gzip', [1, 2, 3, 4, 5].reduce((rest) => gzipSync(rest), large)],
] as const) {
  test(`a large body is decoded whole: ${encoding}, begun with ${body[0]}`, async (t) => {
    const answer = await answerOf(t, encoding, body);
    assert.equal(Buffer.concat(await answer.body.toArray()).equals(large), true);
  });
}

for (const encoding of ['unknown', 'gzip, unknown', 'unknown, gzip']) {
  test(`a body comes as it is when it is said to be in ${encoding}`, async (t) => {
    const body = gzipSync('꿀');
    const answer = await answerOf(t, encoding, body);
    assert.equal(Buffer.concat(await answer.body.toArray()).equals(body), true);
  });
}

test('a body that is said to be encoded more than five times is refused', async (t) => {
  await assert.rejects(answerOf(t, 'gzip,gzip,gzip,gzip,gzip,gzip', gzipSync('꿀')), /too many content-encodings/);
});

for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'deflate, gzip', 'gzip, deflate']) {
  describe(`a body in ${encoding}`, () => {
    test('is not whole when it is empty', async (t) => {
      const { body } = await answerOf(t, encoding, Buffer.alloc(0));
      await assert.rejects(body.toArray(), /unexpected end/);
    });

    for (const already of [undefined, 'begun']) {
      const endless = async (t: TestContext, signal?: AbortSignal) => {
        const { url, responses } = await startRaw(t, (response) => {
          response.writeHead(200, { 'content-encoding': encoding }).flushHeaders();
          if (already) response.write(gzipSync(already).subarray(0, 1));
        });
        const { body } = await httpFetch(url, { signal: signal ?? null });
        return { body, closed: once(responses[0] ?? assert.fail(), 'close') };
      };

      test(`that is ${already ?? 'not begun'} closes its connection when nobody wants it any more`, async (t) => {
        const { body, closed } = await endless(t);
        body.destroy();
        await closed;
      });

      test(`that is ${already ?? 'not begun'} ends in the reason of its abort`, async (t) => {
        const controller = new AbortController();
        const { body, closed } = await endless(t, controller.signal);
        const read = body.toArray();
        controller.abort(cancelled);
        await assert.rejects(read, (error) => error === cancelled);
        await closed;
      });
    }
  });
}

test('a server with which no connection comes about in three seconds is away', async (t) => {
  const { url } = await startSilent(t);
  const error = await failureOf(collect(viaOpenai({ name: 'upstream', baseURL: url }).chat(callOf())));
  assert.deepEqual([error.code, error.away], ['provider_busy', true]);
});

test('a request that is aborted beforehand does not even connect', async (t) => {
  const { server, sockets, port, url } = await startSilent(t);
  await assert.rejects(httpFetch(url, { signal: AbortSignal.abort(cancelled) }), (error) => error === cancelled);
  const asked = once(server, 'asked');
  const own = connect(port, '127.0.0.1');
  t.after(() => own.destroy());
  own.write('mine');
  await asked;
  assert.equal(sockets.length, 1);
});

test('an answer leaves nothing behind at its signal', async (t) => {
  const { url } = await startRaw(t, (response) => void response.end('whole'));
  const { signal } = new AbortController();
  for (const _ of [1, 2, 3]) {
    const { body } = await httpFetch(url, { signal });
    const closed = once(body, 'close');
    assert.equal(Buffer.concat(await body.toArray()).toString(), 'whole');
    await closed;
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('undici still calls its decoding experimental, and a program that decodes does not say so', async () => {
  const said = async (code: string) => {
    const { stderr } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: import.meta.dirname });
    return stderr;
  };
  // When this fails, `decompress` in http-fetch.ts need not be silenced any more.
  assert.match(
    await said("(await import('undici')).interceptors.decompress()"),
    /DecompressInterceptor is experimental/,
  );
  assert.equal(await said("(await import('./http-fetch.ts')).createHttpFetch()"), '');
});

test('a silence is ended by the caller alone, however long it is', () => {
  assert.deepEqual(DEADLINES, { headersTimeout: 0, bodyTimeout: 0 });
});
