/** The contract of every provider: what they send, how they end a call, and what an abort does. Faults of answers are in faults.test.ts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LLMock } from '@copilotkit/aimock';
import { callOf, collect, dialects, startRaw, viaOpenai } from '../../../../scripts/testing/dialects.ts';
import { TaskError } from '../../errors.ts';
import type { ChatCall } from '../../provider.ts';
import { builtinProvider } from './builtin.ts';

const cancelled = new TaskError('timed_out', 'the reason of this test');

test('a well-formed answer comes through whole, and the request carries exactly the settings that were given', async (t) => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' });
  mock.onMessage('What is beanline?', {
    content: 'A queue-first platform. 큐가 먼저입니다.',
    model: 'gpt-test',
    usage: { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 },
  });
  await mock.start();
  t.after(() => mock.stop());
  const provider = viaOpenai({ name: 'openai', baseURL: `${mock.url}/v1`, apiKey: 'k', defaultModel: 'gpt-test' });
  const image = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AA==' } };
  const call: ChatCall = {
    model: 'gpt-test',
    messages: [{ role: 'user', content: [image, { type: 'text', text: 'What is beanline?' }] }],
    temperature: 0,
    max_tokens: 50,
    top_p: undefined,
    signal: new AbortController().signal,
  };
  const chunks = (await collect(provider.chat(call))).all;
  assert.equal(chunks.map((chunk) => chunk.text).join(''), 'A queue-first platform. 큐가 먼저입니다.');
  assert.deepEqual(chunks.find((chunk) => chunk.usage)?.usage, { inputTokens: 7, outputTokens: 9 });
  assert.equal(chunks.find((chunk) => chunk.finishReason)?.finishReason, 'stop');
  assert.equal(chunks[0]?.model, 'gpt-test');
  const sent = mock.getLastRequest()?.body as unknown as Record<string, unknown>;
  assert.deepEqual(sent.messages, call.messages);
  assert.deepEqual([sent.temperature, sent.max_tokens, sent.stream], [0, 50, true]);
  assert.deepEqual(sent.stream_options, { include_usage: true });
  assert.equal('top_p' in sent || 'presence_penalty' in sent || 'frequency_penalty' in sent, false);
});

for (const dialect of dialects) {
  const { text, end, keepAlive } = dialect;

  /** `start` makes a call, whose response the test writes by hand. */
  const setup = async (t: TestContext) => {
    const { url, sockets, responses, answering } = await startRaw(t, (response) => {
      response.writeHead(200, { 'content-type': dialect.contentType }).flushHeaders();
    });
    const provider = dialect.provider(url);
    const controller = new AbortController();
    const start = async () => {
      const asked = answering();
      const chunks = provider.chat(callOf({ signal: controller.signal }))[Symbol.asyncIterator]();
      const first = chunks.next();
      await asked;
      const response = responses.at(-1);
      assert(response);
      return { chunks, first, response, closed: once(response, 'close') };
    };
    return { sockets, controller, start };
  };

  describe(dialect.name, () => {
    test('a stall with keep-alives gives no chunk, and an abort closes the connection and throws its reason', async (t) => {
      const { controller, start } = await setup(t);
      const { chunks, first, response, closed } = await start();
      const stayAlive = () => new Promise((sent) => response.write(keepAlive, sent));
      for (let at = 0; at < 20; at += 1) await stayAlive();
      response.write(text('a'));
      assert.equal((await first).value.text, 'a');
      const second = chunks.next();
      await stayAlive();
      controller.abort(cancelled);
      await assert.rejects(second, (error) => error === cancelled);
      await closed;
    });

    test('characters split between packets come through right, wherever the split is', async (t) => {
      const { start } = await setup(t);
      const words = '꿀벌 👩‍👧';
      const bytes = Buffer.from(text(words));
      const from = bytes.indexOf('꿀');
      for (let at = from; at <= from + Buffer.byteLength(words); at += 1) {
        const { chunks, first, response } = await start();
        response.write(Buffer.concat([Buffer.from(text('first')), bytes.subarray(0, at)]));
        // The first chunk came with the first half of the second one, so the rest is another packet.
        assert.equal((await first).value.text, 'first');
        const second = chunks.next();
        response.end(bytes.subarray(at));
        assert.equal((await second).value.text, words);
        assert.equal((await chunks.next()).done, true);
      }
    });

    test('an abort before the first byte closes the connection and throws its reason', async (t) => {
      const { controller, start } = await setup(t);
      const { first, closed } = await start();
      controller.abort(cancelled);
      await assert.rejects(first, (error) => error === cancelled);
      await closed;
    });

    test('an abort before the head of the answer closes the connection and throws its reason', async (t) => {
      const { url, responses, answering } = await startRaw(t);
      const controller = new AbortController();
      const asked = answering();
      const whole = collect(dialect.provider(url).chat(callOf({ signal: controller.signal })));
      whole.catch(() => {});
      await asked;
      const closed = once(responses[0] ?? assert.fail(), 'close');
      controller.abort(cancelled);
      await assert.rejects(whole, (error) => error === cancelled);
      await closed;
    });

    test('an abort between chunks that arrived together gives no more of them', async (t) => {
      const { controller, start } = await setup(t);
      const { chunks, first, response } = await start();
      response.end(text('a') + text('b'));
      assert.equal((await first).value.text, 'a');
      controller.abort(cancelled);
      await assert.rejects(chunks.next(), (error) => error === cancelled);
    });

    test('a reader that stops closes the connection', async (t) => {
      const { start } = await setup(t);
      const { chunks, first, response, closed } = await start();
      response.write(text('a'));
      await first;
      await chunks.return?.();
      await closed;
    });

    test('an answer is over when it says so, even when the upstream does not close', async (t) => {
      const { start } = await setup(t);
      const { chunks, first, response, closed } = await start();
      response.write(text('a') + end());
      await first;
      assert.equal((await chunks.next()).value.finishReason, 'stop');
      assert.equal((await chunks.next()).done, true);
      await closed;
    });

    test('calls that end well share one connection', async (t) => {
      const { sockets, start } = await setup(t);
      for (let call = 0; call < 3; call += 1) {
        // fetch marks a connection as free in the turn after its body ended.
        await setImmediate();
        const { chunks, first, response } = await start();
        response.write(text('a') + end());
        await first;
        response.end();
        assert.equal((await chunks.next()).value.finishReason, 'stop');
        assert.equal((await chunks.next()).done, true);
      }
      assert.equal(sockets.size, 1);
    });

    test('an event that never ends is cut off', async (t) => {
      const { start } = await setup(t);
      const { first, response, closed } = await start();
      first.catch(() => {});
      const piece = 'x'.repeat(4 * 1024 * 1024);
      response.write(text('x').slice(0, -8));
      while (!response.destroyed && (response.write(piece) || (await Promise.race([once(response, 'drain'), closed]))));
      await assert.rejects(first, { code: 'output_too_large' });
    });

    test('a call that is aborted beforehand sends nothing and throws the reason', async (t) => {
      const { url, requests } = await startRaw(t);
      const whole = collect(dialect.provider(url).chat(callOf({ signal: AbortSignal.abort(cancelled) })));
      await assert.rejects(whole, (error) => error === cancelled);
      assert.equal(requests.length, 0);
    });

    test('a question for its model ends when its signal does, with the reason', async (t) => {
      const { url, answering } = await startRaw(t);
      const controller = new AbortController();
      const asked = answering();
      const model = dialect.provider(url).defaultModel(controller.signal);
      model.catch(() => {});
      await asked;
      controller.abort(cancelled);
      await assert.rejects(model, (error) => error === cancelled);
    });

    test('a call prints nothing, whatever it meets and OPENAI_LOG says', async (t) => {
      const before = process.env.OPENAI_LOG;
      process.env.OPENAI_LOG = 'debug';
      const methods = (['debug', 'info', 'log', 'warn', 'error'] as const).map((name) => t.mock.method(console, name));
      const { start } = await setup(t);
      if (before === undefined) delete process.env.OPENAI_LOG;
      else process.env.OPENAI_LOG = before;
      const { first, response } = await start();
      response.end(dialect.event('{garbage'));
      await assert.rejects(first, { code: 'provider_busy' });
      const refusing = await startRaw(t, (response) => void response.writeHead(500).end('in words'));
      await assert.rejects(collect(dialect.provider(refusing.url).chat(callOf())), { code: 'provider_busy' });
      assert.deepEqual(
        methods.map((method) => method.mock.callCount()),
        [0, 0, 0, 0, 0],
      );
    });
  });
}

test('a call of the built-in responder that is aborted beforehand throws the reason', async () => {
  const call = callOf({ model: 'extract', signal: AbortSignal.abort(cancelled) });
  await assert.rejects(collect(builtinProvider().chat(call)), (error) => error === cancelled);
});
