/** By which way model calls go: the proxies of the environment, and past them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { noCertificates, testCertificates } from '../../../../scripts/testing/certificates.ts';
import {
  callOf,
  collect,
  openaiDialect as dialect,
  failureOf,
  startRaw,
} from '../../../../scripts/testing/dialects.ts';
import { ConfigError, readConfig } from '../../config.ts';
import { createLog } from '../../log.ts';
import { createProviders } from '../create-providers.ts';

const log = createLog({ level: 'silent', name: 'test' });

/** A model server on this machine. */
const startModel = (t: TestContext) =>
  startRaw(t, (response) => {
    response.writeHead(200, { 'content-type': dialect.contentType }).end(dialect.text('hello') + dialect.end());
  });

/** A proxy that takes every name for this machine, and makes tunnels to ports above 1023. */
async function startProxy(t: TestContext) {
  const asked: string[] = [];
  const keys: unknown[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? '');
    keys.push(incoming.headers['proxy-authorization']);
    const { port, pathname } = new URL(incoming.url ?? '');
    const { method, headers } = incoming;
    incoming.pipe(
      request({ host: '127.0.0.1', port, path: pathname, method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      }),
    );
  });
  server.on('connect', ({ url = '', headers }, socket: Socket) => {
    asked.push(`CONNECT ${url}`);
    keys.push(headers['proxy-authorization']);
    const port = Number(url.split(':')[1]);
    if (port < 1024) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const there = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    pipeline(socket, there, socket, () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { asked, keys, at: `127.0.0.1:${port}` };
}

/** The outcome of one call to a server of this address, in an environment of these variables. */
async function call(baseURL: string, env: Record<string, string>) {
  const variables = { OLLAMA_HOST: 'off', OPENAI_BASE_URL: baseURL, DEFAULT_MODEL: 'openai/m', ...env };
  const { default: provider } = await createProviders(readConfig(variables), log);
  return collect(provider.chat(callOf()));
}

test('a call to a model server goes through the proxy, whole, with the login of its URL', async (t) => {
  const [model, proxy] = [await startModel(t), await startProxy(t)];
  const url = `http://model.example:${new URL(model.url).port}/v1`;
  const { text } = await call(url, { HTTP_PROXY: `http://anna:p%40ss@${proxy.at}` });
  assert.equal(text, 'hello');
  assert.deepEqual(proxy.asked, [`${url}/chat/completions`]);
  assert.deepEqual(proxy.keys, [`Basic ${Buffer.from('anna:p@ss').toString('base64')}`]);
  assert.match(model.requests[0]?.body ?? '', /"hello"/);
});

for (const variable of ['HTTPS_PROXY', 'HTTP_PROXY']) {
  test(`a call with TLS asks ${variable} for a tunnel, and a refusal is provider_busy`, async (t) => {
    const proxy = await startProxy(t);
    const error = await failureOf(call('https://model.example/v1', { [variable]: proxy.at }));
    assert.equal(error.code, 'provider_busy');
    assert.deepEqual(proxy.asked, ['CONNECT model.example:443']);
  });
}

test('a call with TLS goes through a tunnel, in which the proxy reads nothing', { skip: noCertificates }, async (t) => {
  const certificates = await testCertificates();
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, readFileSync(certificates.caFile, 'utf8')]);
  const { 'tls-key-file': key = '', 'tls-cert-file': cert = '' } = certificates.settings(0);
  const model = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
    response.writeHead(200, { 'content-type': dialect.contentType }).end(dialect.text('hello') + dialect.end());
  });
  await once(model.listen(0, '127.0.0.1'), 'listening');
  t.after(async () => {
    setDefaultCACertificates(before);
    model.closeAllConnections();
    model.close();
    await certificates.remove();
  });
  const proxy = await startProxy(t);
  const host = `model.example:${(model.address() as AddressInfo).port}`;
  assert.equal((await call(`https://${host}/v1`, { HTTPS_PROXY: proxy.at })).text, 'hello');
  assert.deepEqual(proxy.asked, [`CONNECT ${host}`]);
});

test('a variable in lower case counts before the same in upper case', async (t) => {
  const [model, proxy, other] = [await startModel(t), await startProxy(t), await startProxy(t)];
  const url = `http://model.example:${new URL(model.url).port}/v1`;
  const env = { HTTP_PROXY: other.at, http_proxy: proxy.at, NO_PROXY: '*', no_proxy: 'else.example' };
  assert.equal((await call(url, env)).text, 'hello');
  assert.deepEqual([proxy.asked.length, other.asked.length], [1, 0]);
});

describe('of the proxy and the straight way, a call takes', () => {
  // 0.0.0.0 reaches this machine, and is no name of its loopback: without NO_PROXY it is the proxy's.
  const cases: [string, string, Record<string, string>, boolean][] = [
    ['the straight way to a host that NO_PROXY names', '0.0.0.0', { NO_PROXY: 'model.example,0.0.0.0' }, true],
    ['the straight way to any host when NO_PROXY is *', '0.0.0.0', { NO_PROXY: '*' }, true],
    ['the proxy to a host that NO_PROXY does not name', '0.0.0.0', { NO_PROXY: 'model.example' }, false],
    ['the straight way to 127.0.0.1', '127.0.0.1', {}, true],
    ['the straight way to localhost', 'localhost', {}, true],
    [
      'the straight way without TLS when only HTTPS_PROXY is set',
      '0.0.0.0',
      { HTTP_PROXY: '', HTTPS_PROXY: 'proxy' },
      true,
    ],
  ];
  for (const [what, host, env, isDirect] of cases) {
    test(what, async (t) => {
      const [model, proxy] = [await startModel(t), await startProxy(t)];
      const { text } = await call(`http://${host}:${new URL(model.url).port}/v1`, { HTTP_PROXY: proxy.at, ...env });
      assert.equal(text, 'hello');
      assert.equal(proxy.asked.length, isDirect ? 0 : 1);
    });
  }

  test('no way at all when a server behind the proxy sends it on to this machine', async (t) => {
    const [model, proxy] = [await startModel(t), await startProxy(t)];
    const { url } = await startRaw(
      t,
      (response) => void response.writeHead(307, { location: `${model.url}/on` }).end(),
    );
    const sentOn = call(`http://model.example:${new URL(url).port}/v1`, { HTTP_PROXY: proxy.at });
    assert.match((await failureOf(sentOn)).message, /another host/);
    assert.equal(proxy.asked.length, 1);
    assert.equal(model.requests.length, 0);
  });
});

test('a proxy that is away is provider_busy', async () => {
  const error = await failureOf(call('http://model.example/v1', { HTTP_PROXY: 'http://127.0.0.1:1' }));
  assert.equal(error.code, 'provider_busy');
});

for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) {
  test(`a ${name} that is no address of a proxy is told, and nothing of it is quoted`, () => {
    for (const wrong of ['socks5://user:canary@proxy', 'http://user:canary@:x'])
      assert.throws(
        () => readConfig({ [name]: wrong }),
        (error: Error) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.message, new RegExp(`^ {2}${name}: must be a URL`, 'm'));
          assert.doesNotMatch(error.message, /canary/);
          return true;
        },
      );
  });
}
