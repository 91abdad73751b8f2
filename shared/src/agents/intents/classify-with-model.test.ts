import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { AttemptStop } from '../../context.ts';
import { createLlm, type Providers } from '../../models/llm.ts';
import type { Provider } from '../../provider.ts';
import { classifyWithModel } from './classify-with-model.ts';

/** A model that never answers, and says when it was hung up on. */
function silentModel(signal: AbortSignal) {
  const hungUp = Promise.withResolvers<unknown>();
  const silent: Provider = {
    name: 'silent',
    place: 'here',
    defaultModel: async () => 'one',
    // biome-ignore lint/correctness/useYield: it has nothing to say
    async *chat({ signal: own }) {
      if (!own.aborted) await once(own, 'abort');
      hungUp.resolve(own.reason);
      own.throwIfAborted();
    },
  };
  const providers: Providers = {
    known: [],
    byName: new Map([['silent', silent]]),
    default: silent,
    defaultModel: async () => 'silent/one',
  };
  const { llm } = createLlm({ providers, idleTimeoutMs: 600_000, signal });
  return { llm, hungUp: hungUp.promise };
}

test('a model that does not answer in time leaves it at what the rules say, and is hung up on', async () => {
  const { signal } = new AbortController();
  const { llm, hungUp } = silentModel(signal);
  const { primary_intent } = await classifyWithModel('find the data', { llm, signal, modelMs: 1 });
  assert.equal(primary_intent, 'chat');
  await hungUp;
});

test('what stops the attempt while a model is asked is thrown', async () => {
  const stop = new AbortController();
  const { llm, hungUp } = silentModel(stop.signal);
  const classified = classifyWithModel('find the data', { llm, signal: stop.signal, modelMs: 600_000 });
  const reason = new AttemptStop('cancelled');
  stop.abort(reason);
  await assert.rejects(classified, reason);
  assert.equal(await hungUp, reason);
});
