import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { costOf, cutMessage } from './message-tokens.ts';
import { countTokens, fittingLength } from './tokens.ts';

const BUDGET = 4_000;
// On an idle machine none takes more than 20 ms. Whole, half of these texts take minutes.
const MAX_MS = 2_000;

before(async () => {
  await countTokens('loads it', BUDGET);
});

test('tokens are those of o200k_base, also of what other tokenizers take for commands', async () => {
  assert.equal(await countTokens('', BUDGET), 0);
  assert.equal(await countTokens('hello world', BUDGET), 2);
  assert.equal(await countTokens('tiktoken is great!', BUDGET), 6);
  assert.equal(await countTokens('안녕하세요', BUDGET), 2);
  assert.ok((await countTokens('<|endoftext|>', BUDGET)) > 1);
});

const letter = () => String.fromCharCode(97 + Math.floor(Math.random() * 26));
const hostile = {
  'one letter': 'a'.repeat(1_000_000),
  spaces: ' '.repeat(1_000_000),
  'line ends': '\n'.repeat(1_000_000),
  'one syllable': '가'.repeat(1_000_000),
  'letters at random': Array.from({ length: 200_000 }, letter).join(''),
  'joined emoji': '👩‍👩‍👧'.repeat(100_000),
  'half a letter': '\ud800'.repeat(500_000),
};
for (const [name, text] of Object.entries(hostile)) {
  test(`a long run of ${name} costs little, and is known to be too long`, async (t) => {
    const before = process.cpuUsage();
    const count = await countTokens(text, BUDGET);
    const { user, system } = process.cpuUsage(before);
    const took = (user + system) / 1_000;
    t.diagnostic(`${text.length} characters: ${took.toFixed(1)} ms`);
    assert.ok(count > BUDGET || name === 'spaces', `${count} tokens`);
    assert.ok(took < MAX_MS, `${took} ms`);
  });
}

test('a text in pieces counts about what it counts whole', async () => {
  const { countTokens: whole } = await import('gpt-tokenizer/encoding/o200k_base');
  for (const sentence of [
    'The quick brown fox jumps over it. ',
    '오늘은 날씨가 참 좋습니다. ',
    'const a = f(b, 12);\n',
  ]) {
    const text = sentence.repeat(400);
    const share = (await countTokens(text, Number.POSITIVE_INFINITY)) / whole(text);
    assert.ok(share >= 1 && share < 1.03, `${sentence}: ${share}`);
  }
});

for (const [name, text] of Object.entries({ ...hostile, words: 'The quick brown fox 안녕 🫘 '.repeat(5_000) })) {
  for (const from of ['start', 'end'] as const) {
    test(`the ${from} of a long run of ${name} fits its tokens, and nearly fills them`, async () => {
      const length = await fittingLength(text, BUDGET, from);
      const part = from === 'start' ? text.slice(0, length) : text.slice(text.length - length);
      const count = await countTokens(part, Number.POSITIVE_INFINITY);
      assert.ok(count <= BUDGET * 1.03, `${count} tokens`);
      assert.ok(count >= BUDGET * 0.95 || length === text.length, `${count} tokens`);
      if (text.isWellFormed()) assert.ok(part.isWellFormed());
    });
  }
}

test('a message costs what its calls of functions say too, and cut it has none', async () => {
  const given = JSON.stringify({ text: 'a bean '.repeat(100) });
  const call = { id: 'a', type: 'function' as const, function: { name: 'f', arguments: given } };
  const message = { role: 'assistant' as const, content: 'b '.repeat(200), tool_calls: [call] };
  const plain = await costOf({ ...message, tool_calls: undefined }, 10_000);
  assert.ok((await costOf(message, 10_000)) >= plain + 200);
  assert.deepEqual(Object.keys((await cutMessage(message, 100)) ?? {}), ['role', 'content']);
});
