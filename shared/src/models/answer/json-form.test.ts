/** An answer that must be JSON is checked here, whatever its schema asks for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failureOf } from '../../../../scripts/testing/dialects.ts';
import type { ChatCall, ChatChunk, Provider, ResponseFormat } from '../../provider.ts';
import { createLlm } from '../llm.ts';

const schemaOf = (schema: Record<string, unknown>): ResponseFormat => ({
  ...{ type: 'json_schema', json_schema: { name: 'answer', schema } },
});
const CITY = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const OBJECT: ResponseFormat = { type: 'json_object' };

/** Asks a model that gives these answers, one a call. `finish`: how each ends. */
async function ask(response_format: ResponseFormat, answers: (string | ChatChunk[])[], finishReason = 'stop') {
  const asked: ChatCall[] = [];
  const provider: Provider = {
    name: 'one',
    place: 'here',
    defaultModel: async () => 'm',
    async *chat(call): AsyncGenerator<ChatChunk> {
      const answer = answers[asked.length] ?? '';
      asked.push(call);
      if (typeof answer === 'string') for (const text of answer.match(/[\s\S]{1,5}/g) ?? []) yield { text };
      else yield* answer;
      yield { text: '', finishReason, usage: { inputTokens: 5, outputTokens: 3 } };
    },
  };
  const all = { known: [], byName: new Map([['one', provider]]), default: provider, defaultModel: async () => 'one/m' };
  const { llm } = createLlm({ providers: all, idleTimeoutMs: 10_000, signal: new AbortController().signal });
  const texts: string[] = [];
  const read = async () => {
    for await (const { text } of llm.chat({ messages: [{ role: 'user', content: 'Where?' }], response_format }))
      if (text !== '') texts.push(text);
    return texts;
  };
  const given = read();
  return {
    given,
    asked,
    usage: async () =>
      given.then(
        () => llm.outcome().usage,
        () => llm.outcome().usage,
      ),
  };
}

describe('an answer in the form that was asked for comes in one piece:', () => {
  for (const [what, format, answer, given] of [
    ['JSON', schemaOf(CITY), ' {"city":"Paris"}\n', '{"city":"Paris"}'],
    ['JSON in a fence', schemaOf(CITY), '```json\n{"city":"Paris"}\n```', '{"city":"Paris"}'],
    ['any object', OBJECT, '{"a":[1]}', '{"a":[1]}'],
    [
      'what a schema of old describes',
      schemaOf({ $schema: 'http://json-schema.org/draft-07/schema#', items: [CITY] }),
      '[]',
      '[]',
    ],
    [
      'what a schema of today describes',
      schemaOf({ $schema: 'x', prefixItems: [CITY] }),
      '[{"city":""}]',
      '[{"city":""}]',
    ],
    [
      'what a schema with words of its own describes',
      schemaOf({ ...CITY, 'x-order': 1, format: 'city' }),
      '{"city":"a"}',
      '{"city":"a"}',
    ],
    [
      'what a schema that refers to itself describes',
      schemaOf({ $id: 'a', properties: { in: { $ref: '#' } } }),
      '{"in":{}}',
      '{"in":{}}',
    ],
  ] as const) {
    test(what, async () => {
      const { given: texts, asked } = await ask(format, [answer]);
      assert.deepEqual([await texts, asked.length], [[given], 1]);
    });
  }
});

describe('an answer in another form is asked for once more, with what is wrong with it:', () => {
  for (const [what, format, answer, problem] of [
    ['words', schemaOf(CITY), 'In Paris.', /it is not JSON/],
    ['another type', schemaOf(CITY), '{"city":7}', /\/city must be string/],
    ['a field that is not there', schemaOf(CITY), '{}', /must have required property 'city'/],
    ['a field too many', schemaOf(CITY), '{"city":"a","x":1}', /must NOT have additional properties \(x\)/],
    [
      'a value that is none of them',
      schemaOf({ enum: ['a', 'b'] }),
      '"c"',
      /must be equal to one of the allowed values \(a, b\)/,
    ],
    ['no object', OBJECT, '[1]', /it is not a JSON object/],
  ] as const) {
    test(what, async () => {
      const good =
        format === OBJECT
          ? '{}'
          : format.type === 'json_schema' && 'enum' in format.json_schema.schema
            ? '"a"'
            : '{"city":"Paris"}';
      const { given, asked, usage } = await ask(format, [answer, good]);
      assert.deepEqual(await given, [good]);
      const [, wrong, again] = asked[1]?.messages ?? [];
      assert.deepEqual(wrong, { role: 'assistant', content: answer });
      assert.match(String(again?.content), problem);
      assert.deepEqual(await usage(), { inputTokens: 10, outputTokens: 6, estimated: false });
      const { given: never, asked: twice } = await ask(format, [answer, answer, good]);
      const error = await failureOf(never);
      assert.deepEqual([error.code, twice.length], ['invalid_output', 2]);
      assert.match(error.message, problem);
    });
  }
});

test('an answer that is cut is not asked for again: it needs more room', async () => {
  const { given, asked } = await ask(OBJECT, ['{"a":'], 'length');
  const error = await failureOf(given);
  assert.deepEqual([error.code, asked.length], ['provider_refused', 1]);
  assert.match(error.message, /max_tokens/);
});

test('an answer that never ends is not held for ever', async () => {
  const piece = { text: ' '.repeat(1024 * 1024) };
  const { given, asked } = await ask(OBJECT, [Array.from({ length: 20 }, () => piece)]);
  assert.deepEqual([(await failureOf(given)).code, asked.length], ['output_too_large', 1]);
});

test('calls of functions, and words by which a model declines, need not be JSON', async () => {
  const toolCalls = [{ index: 0, id: 'a', name: 'f', arguments: '{}' }];
  assert.deepEqual(await (await ask(OBJECT, [[{ text: 'I look.', toolCalls }]])).given, ['I look.']);
  assert.deepEqual(await (await ask(OBJECT, ['I will not.'], 'refusal')).given, ['I will not.']);
});

test('a schema by which nothing can be checked is refused before any call', async () => {
  for (const schema of [{ type: 'strin' }, { $ref: 'https://example.com/x' }, { pattern: '(' }, { properties: 7 }]) {
    const { given, asked } = await ask(schemaOf(schema), ['{}']);
    const error = await failureOf(given);
    assert.deepEqual([error.code, asked.length], ['invalid_request', 0], JSON.stringify(schema));
    assert.match(error.message, /^response_format\.json_schema\.schema: /);
  }
});

test('a schema that asks for endless work ends only its own check', async () => {
  const endless = { type: 'string', pattern: '^(a+)+$' };
  const { given } = await ask(schemaOf(endless), [`"${'a'.repeat(40)}!"`]);
  const next = await ask(schemaOf(CITY), ['{"city":"Paris"}']);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const error = await failureOf(given);
  clearInterval(timer);
  assert.equal(error.code, 'invalid_output');
  assert.ok(turns > 0, 'other work went on meanwhile');
  assert.deepEqual(await next.given, ['{"city":"Paris"}']);
});
