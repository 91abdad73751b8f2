import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, MAX_TRIGRAMS, MAX_TURN_TRIGRAMS, trigramsOf, turnTrigrams, wantedTrigrams } from './search-text.ts';

const TEXTS = [
  'Queue-first job 실행 플랫폼',
  '회의록',
  'a',
  '👩‍👩‍👧 family',
  'İstanbul ẞ ß',
  'x'.repeat(50),
  'é vs e\u0301',
  'ΠΡΟΣΟΧΗ στο ΟΔΟΣ',
  'ＷＩＤＥ ﬃ ſ Ꭰꭰ',
  'ㅋㅋㅠㅠ',
];

test('every part of a text is found by its trigrams, of any length and in any script', () => {
  for (const text of TEXTS) {
    const trigrams = new Set(trigramsOf(text));
    const letters = [...text.normalize('NFC')];
    for (let from = 0; from < letters.length; from++) {
      for (let to = from + 1; to <= letters.length; to++) {
        const query = letters.slice(from, to).join('');
        const wanted = wantedTrigrams(query);
        const found =
          'all' in wanted
            ? wanted.all.every((trigram) => trigrams.has(trigram))
            : [...trigrams].some((trigram) => trigram.startsWith(wanted.prefix));
        assert.ok(found, `${JSON.stringify(query)} in ${JSON.stringify(text)}`);
        assert.ok(contains(text, query), `${JSON.stringify(query)} in ${JSON.stringify(text)}`);
      }
    }
  }
});

test('a query matches without regard to case and composition, and patterns are only letters', () => {
  assert.ok(contains('Großes QUEUE', 'queue'));
  assert.ok(contains('cafe\u0301', 'CAFÉ'));
  assert.ok(!contains('abc', '.*('));
  assert.ok(!contains('abc', 'a.c'));
});

test('texts of a turn share its trigrams: short ones have all of theirs, long ones the rest in equal parts', () => {
  const letters = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => String.fromCodePoint(0x4e00 + ((from + i * 7) % 20_000))).join('');
  const [short, long] = ['a short question', letters(0, 20_000) + letters(3, 20_000)];
  const counts = (texts: string[]) => turnTrigrams(texts).map(({ length }) => length);
  assert.deepEqual(turnTrigrams([short]), [trigramsOf(short)]);
  assert.deepEqual(counts([long, short]), [MAX_TRIGRAMS, trigramsOf(short).length]);
  const many = counts([...Array.from({ length: 50 }, () => short), ...Array.from({ length: 51 }, () => long)]);
  assert.ok(many.slice(0, 50).every((count) => count === trigramsOf(short).length));
  const parts = many.slice(50);
  assert.ok(Math.max(...parts) - Math.min(...parts) <= 1 && parts.every((count) => count > 1_900), String(parts));
  assert.ok(many.reduce((sum, count) => sum + count) <= MAX_TURN_TRIGRAMS);
});
