/** The contract of every provider over HTTP: what faults of its server become. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { CANARY, callOf, collect, dialects, failureOf, KEY, startRaw } from '../../../../scripts/testing/dialects.ts';
import { errorFields } from '../../log.ts';

const errorBody = JSON.stringify({ error: { message: `${CANARY} ${KEY}`, type: CANARY } });
const JSON_TYPE = { 'content-type': 'application/json' };
const longFromNow = 'Fri, 01 Jan 2100 00:00:00 GMT';

const statuses = [
  [429, {}, 'provider_busy', undefined],
  [429, { 'retry-after': '7' }, 'provider_busy', 7_000],
  [429, { 'retry-after': '0' }, 'provider_busy', 0],
  [429, { 'retry-after-ms': '1500', 'retry-after': '7' }, 'provider_busy', 1_500],
  [503, { 'retry-after': longFromNow }, 'provider_busy', 3_600_000],
  [429, { 'retry-after': 'soon' }, 'provider_busy', undefined],
  [408, {}, 'provider_busy', undefined],
  [409, {}, 'provider_busy', undefined],
  [500, {}, 'provider_busy', undefined],
  [500, JSON_TYPE, 'provider_busy', undefined],
  [529, {}, 'provider_busy', undefined],
  [400, JSON_TYPE, 'provider_refused', undefined],
  [401, {}, 'provider_refused', undefined],
  [403, JSON_TYPE, 'provider_refused', undefined],
  [404, {}, 'provider_refused', undefined],
  [404, JSON_TYPE, 'provider_refused', undefined],
] as const;

for (const dialect of dialects) {
  const { event, text, end } = dialect;
  const stream = { 'content-type': dialect.contentType };

  const setup = async (t: TestContext, answer: (response: ServerResponse) => void) => {
    const { url, requests } = await startRaw(t, answer);
    const provider = dialect.provider(url);
    return { requests, chat: () => provider.chat(callOf()) };
  };
  const answering =
    (body: string, status = 200, headers: Record<string, string> = stream) =>
    (response: ServerResponse) =>
      void response.writeHead(status, headers).end(body);

  describe(dialect.name, () => {
    for (const [status, headers, code, retryAfterMs] of statuses) {
      const asked = Object.entries(headers).map(([name, value]) => ` with ${name} ${value}`);
      test(`HTTP ${status}${asked.join('')} is ${code} after one request, and its body and key reach neither client nor log`, async (t) => {
        const { requests, chat } = await setup(t, answering(errorBody, status, headers));
        const error = await failureOf(collect(chat()));
        assert.deepEqual([error.code, error.retryAfterMs, requests.length], [code, retryAfterMs, 1]);
        assert.equal(error.away, status === 429 || status >= 500);
        assert.match(error.message, new RegExp(`upstream.*HTTP ${status}`));
        assert.doesNotMatch(error.message + JSON.stringify(errorFields(error)), /canary|secret/);
        if (status === 401 || status === 403) assert.match(error.message, /refused the API key/);
      });
    }

    test('a Retry-After date is the time until it', async (t) => {
      const inTwentySeconds = new Date(Date.now() + 20_000).toUTCString();
      const { chat } = await setup(t, answering('', 503, { 'retry-after': inTwentySeconds }));
      const wait = (await failureOf(collect(chat()))).retryAfterMs ?? 0;
      assert(wait > 10_000 && wait <= 20_000, String(wait));
    });

    test('an error whose body never ends is known at once', async (t) => {
      const { chat } = await setup(t, (response) => void response.writeHead(500).write('endless'));
      assert.equal((await failureOf(collect(chat()))).code, 'provider_busy');
    });

    test('a refused connection is provider_busy', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await once(server.close(), 'close');
      const error = await failureOf(collect(dialect.provider(`http://127.0.0.1:${port}`).chat(callOf())));
      assert.equal(error.code, 'provider_busy');
      assert.match(error.message, /upstream is not reachable/);
      assert.equal(error.away, true);
    });

    for (const [what, body, code, headers] of [
      ['garbage instead of events', '\u0000\u0001garbage\n\nmore\n', 'provider_busy'],
      ['an event that is not JSON', event(`{{${CANARY}`), 'provider_busy'],
      ['an event that is not JSON after text', `${text('a')}${event(`{{${CANARY}`)}`, 'provider_busy'],
      ['an event that is JSON but no object', event('42'), 'provider_busy'],
      ['a body cut inside an event', `${text('a')}${text(CANARY).slice(0, -9)}`, 'provider_busy'],
      ['no events at all', '', 'provider_busy'],
      ['only what keeps it alive', dialect.keepAlive.repeat(3), 'provider_busy'],
      ['a web page', `<html>${CANARY}</html>`, 'provider_busy', { 'content-type': 'text/html' }],
      ['a JSON error', errorBody, 'provider_busy', JSON_TYPE],
      ['a JSON error that says 400', '{"error":{"code":400}}', 'provider_refused', JSON_TYPE],
      ['an error of words', event({ error: CANARY }), 'provider_busy'],
      ['an error after text', `${text('a')}${event({ error: CANARY })}`, 'provider_busy'],
      ['an error event that says 503', event({ error: { message: CANARY, code: 503 } }), 'provider_busy'],
      ['an error event that says 404', event({ error: { message: CANARY, code: '404' } }), 'provider_refused'],
      ['too long a context', event({ error: { code: 'context_length_exceeded' } }), 'provider_refused'],
    ] as [string, string, string, Record<string, string>?][]) {
      test(`a 200 with ${what} is ${code}, without the provider's words`, async (t) => {
        const { chat } = await setup(t, answering(body, 200, headers));
        const error = await failureOf(collect(chat()));
        assert.deepEqual([error.code, error.away], [code, false]);
        assert.doesNotMatch(error.message + JSON.stringify(errorFields(error)), /canary|secret/);
      });
    }

    test('a connection that breaks in the middle is provider_busy, and what came before it was given out', async (t) => {
      const { chat } = await setup(t, (response) => {
        response.writeHead(200, stream).write(text('partial'), () => response.destroy());
      });
      const chunks = chat()[Symbol.asyncIterator]();
      assert.equal((await chunks.next()).value.text, 'partial');
      await assert.rejects(chunks.next(), { code: 'provider_busy', away: false });
    });

    test('a connection that is closed before an answer has begun is no absence: the call may have closed it', async (t) => {
      const { chat } = await setup(t, (response) => void response.destroy());
      await assert.rejects(collect(chat()), { code: 'provider_busy', away: false });
    });

    test('a stream that ends without saying so, or a last line end, gives all its text and no finish', async (t) => {
      const { chat } = await setup(t, answering((text('one ') + text('two')).trimEnd()));
      const { all } = await collect(chat());
      assert.deepEqual(all, [
        { text: 'one ', model: 'm-1' },
        { text: 'two', model: 'm-1' },
      ]);
    });

    test('every event gives one chunk, duplicates and empty ones too, and what follows the end gives none', async (t) => {
      const body = `${text('again ')}${dialect.keepAlive}${text('again ')}${event({})}${end()}${text('late')}`;
      const { chat } = await setup(t, answering(body.replaceAll('\n', '\r\n')));
      const { all } = await collect(chat());
      const again = { text: 'again ', model: 'm-1' };
      assert.deepEqual(all, [again, again, { text: '' }, { text: '', finishReason: 'stop' }]);
    });

    for (const [what, told, usage] of [
      ['usage of zero is a value', [0, 0], { inputTokens: 0, outputTokens: 0 }],
      ['usage without the input is none', [undefined, 3], undefined],
      ['usage in words is none', ['7', '3'], undefined],
      ['an answer may come without usage', undefined, undefined],
    ] as const) {
      test(what, async (t) => {
        const { chat } = await setup(t, answering(text('a') + end(told && [...told])));
        const read = await collect(chat());
        assert.deepEqual(read.usage, usage);
        assert.equal(read.all.at(usage && dialect.name === 'openai' ? -2 : -1)?.text, '');
      });
    }

    test('a single piece of 5 MB comes through whole', async (t) => {
      const large = '꿀'.repeat(1_000_000) + 'b'.repeat(2_000_000);
      const { chat } = await setup(t, answering(text(large) + end()));
      assert.equal((await collect(chat())).text === large, true);
    });
  });
}
