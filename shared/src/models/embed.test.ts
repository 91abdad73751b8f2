/** Texts become vectors in their order, whatever a server takes at once, and whatever form it gives them in. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { failureOf, ollamaDialect, openaiDialect, startRaw } from '../../../scripts/testing/dialects.ts';
import type { Provider } from '../provider.ts';
import { createLlm } from './llm.ts';
import { builtinProvider } from './providers/builtin.ts';

type Asked = { model: string; input: string[]; encoding_format?: string; dimensions?: number };
type Reply = { status?: number; body: unknown };

/** The vector of a text: its number, and its length. */
const vectorOf = (text: string) => [Number(text.replace(/\D/g, '')), text.length];

const dialects = [
  {
    dialect: openaiDialect,
    path: '/v1/embeddings',
    reply: (texts: string[]) => ({
      model: 'e-1',
      data: texts.map((text, index) => ({ index, embedding: vectorOf(text) })),
      usage: { prompt_tokens: texts.length, total_tokens: texts.length },
    }),
    of: (vectors: unknown[]) => ({ data: vectors.map((embedding) => ({ embedding })) }),
  },
  {
    dialect: ollamaDialect,
    path: '/api/embed',
    reply: (texts: string[]) => ({
      model: 'e-1',
      embeddings: texts.map(vectorOf),
      prompt_eval_count: texts.length,
    }),
    of: (vectors: unknown[]) => ({ embeddings: vectors }),
  },
];

function llmOf(provider: Provider, idleTimeoutMs = 60_000) {
  const all = { known: [], byName: new Map([['one', provider]]), default: provider, defaultModel: async () => 'one/m' };
  return createLlm({ providers: all, idleTimeoutMs, signal: new AbortController().signal });
}

async function server(
  t: TestContext,
  { provider }: (typeof dialects)[number]['dialect'],
  answer: (asked: Asked) => Reply | null,
) {
  const asked: Asked[] = [];
  const raw = await startRaw(t, (response) => {
    const request: Asked = JSON.parse(raw.requests.at(-1)?.body ?? '');
    asked.push(request);
    const reply = answer(request);
    if (!reply) return;
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
  });
  return { ...llmOf(provider(raw.url)), asked, paths: () => raw.requests.map(({ url }) => url) };
}

const numbered = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`);

for (const one of dialects) {
  const { dialect, path, reply, of } = one;
  describe(`vectors of ${dialect.name}`, () => {
    test('come in the order of their texts, any number of them, a bounded number at once', async (t) => {
      const { llm, usage, asked, paths } = await server(t, dialect, ({ input }) => ({ body: reply(input) }));
      const texts = numbered(150);
      const { vectors, model, provider } = await llm.embed(texts, { model: 'one/e', dimensions: 2 });
      assert.deepEqual([vectors, model, provider], [texts.map(vectorOf), 'e-1', 'upstream']);
      assert.deepEqual(
        asked.map(({ input }) => input.length),
        [64, 64, 22],
      );
      assert.deepEqual([asked[0]?.model, asked[0]?.dimensions, paths()[0]], ['e', 2, path]);
      if (dialect === openaiDialect) assert.equal(asked[0]?.encoding_format, 'float');
      assert.deepEqual(usage(), { inputTokens: 150, outputTokens: 0, estimated: false });
      assert.deepEqual((await llm.embed([], { model: 'one/e' })).vectors, []);
      const long = ['a'.repeat(300_000), 'b'.repeat(300_000)];
      await llm.embed(long, { model: 'one/e' });
      assert.deepEqual(
        asked.slice(3).map(({ input }) => input),
        long.map((text) => [text]),
      );
    });

    test('of a server that takes fewer at once are asked for in halves', async (t) => {
      const { llm, asked } = await server(t, dialect, ({ input }) =>
        input.length > 10 ? { status: 413, body: { error: 'batch size too large' } } : { body: reply(input) },
      );
      const texts = numbered(40);
      assert.deepEqual((await llm.embed(texts, { model: 'one/e' })).vectors, texts.map(vectorOf));
      assert.deepEqual(
        asked.map(({ input }) => input.length),
        [40, 20, 10, 10, 20, 10, 10],
      );
    });

    test('of one text that is too long are refused', async (t) => {
      const { llm, asked } = await server(t, dialect, () => ({ status: 413, body: { error: 'too long' } }));
      assert.equal((await failureOf(llm.embed(['a'], { model: 'one/e' }))).code, 'provider_refused');
      assert.equal(asked.length, 1);
    });

    test('that are missing, or none, or of different lengths, are no vectors', async (t) => {
      for (const [vectors, code] of [
        [[[1, 2]], 'provider_busy'],
        [
          [
            [1, 2],
            [3, null],
          ],
          'provider_busy',
        ],
        [[[1, 2], []], 'provider_busy'],
        [[[1, 2], 'x'], 'provider_busy'],
        [[[1, 2], [3]], 'provider_refused'],
        [null, 'provider_busy'],
      ] as const) {
        const { llm } = await server(t, dialect, () => ({ body: vectors ? of([...vectors]) : { error: null } }));
        const error = await failureOf(llm.embed(['a', 'b'], { model: 'one/e' }));
        assert.equal(error.code, code, JSON.stringify(vectors));
      }
    });

    test('of a server that tells no count are estimated, and an empty text is sent as a space', async (t) => {
      const { llm, usage, asked } = await server(t, dialect, ({ input }) => ({ body: of(input.map(() => [1])) }));
      const { model } = await llm.embed(['', 'abcd'], { model: 'one/e' });
      assert.deepEqual([model, asked[0]?.input], ['e', [' ', 'abcd']]);
      assert.equal(usage()?.estimated, true);
    });

    test('of a server that is silent, and of a caller that stops, end with the reason', async (t) => {
      const raw = await startRaw(t);
      const quick = llmOf(dialect.provider(raw.url), 20);
      assert.match((await failureOf(quick.llm.embed(['a'], { model: 'one/e' }))).message, /sent nothing for 20 ms/);
      const controller = new AbortController();
      const embedding = llmOf(dialect.provider(raw.url)).llm.embed(['a'], {
        model: 'one/e',
        signal: controller.signal,
      });
      await raw.answering();
      controller.abort(new Error('enough'));
      await assert.rejects(embedding, { message: 'enough' });
    });
  });
}

test('vectors stand at the places that the server names, and may be base64', async (t) => {
  const floats = Buffer.from(new Float32Array([0.5, -2]).buffer).toString('base64');
  const { llm } = await server(t, openaiDialect, () => ({
    body: {
      data: [
        { index: 1, embedding: [3, 4] },
        { index: 0, embedding: floats },
      ],
    },
  }));
  assert.deepEqual((await llm.embed(['a', 'b'], { model: 'one/e' })).vectors, [
    [0.5, -2],
    [3, 4],
  ]);
});

test('two vectors for one place leave another without', async (t) => {
  const { llm } = await server(t, openaiDialect, () => ({
    body: {
      data: [
        { index: 1, embedding: [3] },
        { index: 1, embedding: [4] },
      ],
    },
  }));
  assert.equal((await failureOf(llm.embed(['a', 'b'], { model: 'one/e' }))).code, 'provider_busy');
});

test('a provider without vectors refuses, and what was never asked used nothing', async () => {
  const { llm, usage } = llmOf(builtinProvider());
  assert.equal((await failureOf(llm.embed(['a'], { model: 'one/e' }))).code, 'provider_refused');
  assert.equal(usage(), undefined);
});
