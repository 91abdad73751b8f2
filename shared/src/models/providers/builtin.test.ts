import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf } from '../../../../scripts/testing/dialects.ts';
import type { ChatCall, ChatChunk, ChatMessage } from '../../provider.ts';
import { builtinProvider } from './builtin.ts';

type Message = string | ChatMessage;

async function ask(messages: Message[], more: Partial<ChatCall> = {}, pauseMs = 0) {
  const chunks: ChatChunk[] = [];
  const call: ChatCall = {
    model: 'extract',
    messages: messages.map((message) => (typeof message === 'string' ? { role: 'user', content: message } : message)),
    signal: new AbortController().signal,
    ...more,
  };
  for await (const chunk of builtinProvider({ pauseMs }).chat(call)) chunks.push(chunk);
  const last = chunks.at(-1);
  assert(last);
  return { text: chunks.map((chunk) => chunk.text).join(''), chunks, last };
}

const cities: ChatMessage = {
  role: 'system',
  content: 'The capital of France is Paris. Its river is the Seine. The capital of Italy is Rome.',
};
const korea: ChatMessage = {
  role: 'system',
  content: '부산에는 큰 항구가 있습니다. 서울은 대한민국의 수도입니다. 제주는 섬입니다.',
};

for (const [guarantee, messages, quoted] of [
  ['system text', [cities, 'What is the capital of France?'], 'The capital of France is Paris.'],
  ['an earlier message', ['My hive is green.', 'What is the color of my hive?'], 'My hive is green.'],
  ['the last message itself', ['Bees like lavender. Cats like fish. What do bees like?'], 'Bees like lavender.'],
  ['a Korean text (whatever its particles)', [korea, '대한민국 수도가 어디야?'], '서울은 대한민국의 수도입니다.'],
] as [string, Message[], string][]) {
  test(`an answer quotes the sentence of ${guarantee} that shares most with the question`, async () => {
    const { text, last } = await ask(messages);
    assert.equal(text.split('\n')[1], `“${quoted}”`);
    assert.equal(last.finishReason, 'stop');
  });
}

test('an answer holds at most three quotes, and neither questions nor its own earlier answers are among them', async () => {
  const question = 'Which hives are there?';
  const facts = Array.from({ length: 9 }, (_, at) => `Hives are there at place ${at}.`).join(' ');
  const first = await ask([facts, question]);
  const { text } = await ask([facts, question, { role: 'assistant', content: first.text }, question]);
  assert.equal(text, first.text);
  assert.equal(text.split('\n').length, 4);
});

test('a message that brings a text without shared words gets the beginning of that text', async () => {
  const { text } = await ask(['Please summarise.\nBees make honey.\nHoney is sweet.\nIt keeps for years.']);
  assert.match(text, /“Bees make honey\.”\n“Honey is sweet\.”$/);
});

for (const [language, question, says] of [
  ['English', 'How high is the moon?', /not a language model/],
  ['Korean', '달은 얼마나 멀어?', /언어 모델이 아니라/],
] as const) {
  test(`without material it says in ${language} what it is, what was asked, and how to configure a real model`, async () => {
    const { text } = await ask([{ role: 'system', content: 'Be kind.' }, question]);
    assert.match(text, says);
    assert(text.includes(`“${question}”`));
    assert.match(text, /OPENAI_API_KEY.*OPENAI_BASE_URL/);
  });
}

test('the text parts of a message are read, and its images are not', async () => {
  const image = { type: 'image_url' as const, image_url: { url: 'https://example.com/canary.png' } };
  const content = [image, { type: 'text' as const, text: 'The hive is blue. Which hive is blue?' }];
  const { text } = await ask([{ role: 'user', content }]);
  assert.match(text, /“The hive is blue\.”$/);
});

test('the same conversation gives the same chunks and the same usage, counted in words', async () => {
  const messages = [cities, 'What is the capital of France?'];
  const { chunks, last } = await ask(messages);
  assert.deepEqual((await ask(messages)).chunks, chunks);
  assert.deepEqual(last.usage, { inputTokens: 23, outputTokens: chunks.length - 1 });
});

test('max_tokens cuts the answer and is said in finish_reason', async () => {
  const { chunks, last } = await ask([cities, 'What is the capital of France?'], { max_tokens: 3 });
  assert.equal(chunks.length, 4);
  assert.deepEqual([last.finishReason, last.usage?.outputTokens], ['length', 3]);
});

test('a model it does not have is refused, and the error names those it has', async () => {
  const error = { code: 'provider_refused', message: /no model "gpt-5".*extract, paced/ };
  await assert.rejects(ask(['hello'], { model: 'gpt-5' }), error);
});

test('an abort ends a paced answer with its own reason', async () => {
  const controller = new AbortController();
  const reason = new Error('the reason of this test');
  const call: ChatCall = { model: 'paced', messages: [cities], signal: controller.signal };
  const chunks = builtinProvider({ pauseMs: 60_000 }).chat(call)[Symbol.asyncIterator]();
  const first = chunks.next();
  controller.abort(reason);
  await assert.rejects(first, (error) => error === reason);
});

test('a paced answer is the same, each word of it after a pause', async () => {
  const { text } = await ask([cities, 'What is the capital of France?']);
  const pauseMs = 20;
  const startedAt = performance.now();
  const paced = await ask([cities, 'What is the capital of France?'], { model: 'paced' }, pauseMs);
  assert.equal(paced.text, text);
  const words = paced.chunks.length - 1;
  assert.ok(words > 5);
  // A timer may end up to a millisecond early, and never earlier.
  assert.ok(performance.now() - startedAt >= words * (pauseMs - 1));
});

for (const [what, content] of [
  ['many sentences', 'Bees make honey in the hive. '.repeat(350_000)],
  ['one word', '꿀'.repeat(5_000_000)],
  ['empty lines', '.\n'.repeat(5_000_000)],
] as const) {
  test(`10 MB of ${what} take less than a second of the CPU, with the question at their end understood`, async () => {
    const before = process.cpuUsage();
    const { text } = await ask([`${content}\nThe queen is Beatrix.\nWho is the queen?`]);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms of CPU`);
    assert.match(text, /“The queen is Beatrix\.”/);
  });
}

test('functions are passed over, and JSON is refused at once', async () => {
  const tools: ChatCall['tools'] = [{ type: 'function', function: { name: 'f' } }];
  const { text } = await ask(['The sky is blue. What is blue?'], { tools });
  assert.match(text, /The sky is blue/);
  const error = await failureOf(ask(['x'], { response_format: { type: 'json_object' } }));
  assert.equal(error.code, 'provider_refused');
});
