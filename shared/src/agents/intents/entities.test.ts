import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { classify } from './classify.ts';
import { extractEntities } from './entities.ts';

describe('what a text names is found as it is written', () => {
  const cases: [text: string, entities: Record<string, string[]>][] = [
    ['nothing at all', {}],
    ['https://a.example/b?c=d#e를 요약해줘', { urls: ['https://a.example/b?c=d#e'] }],
    [
      'See https://a.example/b, (www.b.example/c_(d)) and http://c.example.',
      { urls: ['https://a.example/b', 'www.b.example/c_(d)', 'http://c.example'] },
    ],
    [
      'hong@example.com에게, kim.lee+x@mail.example.co.kr.',
      { emails: ['hong@example.com', 'kim.lee+x@mail.example.co.kr'] },
    ],
    ['https://user@host.example/x@y.z', { urls: ['https://user@host.example/x@y.z'] }],
    ['내일이나 다음 주 화요일에', { dates: ['내일', '다음 주 화요일'] }],
    ['2024-03-02, 2024.3.2, 3월 2일, 2024년 3월', { dates: ['2024-03-02', '2024.3.2', '3월 2일', '2024년 3월'] }],
    [
      'on March 2nd, 2024, 2 March, next Friday, tomorrow',
      { dates: ['March 2nd, 2024', '2 March', 'next Friday', 'tomorrow'] },
    ],
    ['PDF를 clip.MP3로, b.tar, c.docx', { file_types: ['mp3', 'docx', 'pdf'] }],
    ['mail@example.com mail@example.com', { emails: ['mail@example.com'] }],
    ['the year of 12/31/2023', { dates: ['12/31/2023'] }],
  ];
  for (const [text, entities] of cases) test(text, () => assert.deepEqual(extractEntities(text), entities));
});

test('of one kind there are twenty at most', () => {
  const text = Array.from({ length: 50 }, (_, at) => `a${at}@example.com`).join(' ');
  assert.equal(extractEntities(text).emails?.length, 20);
});

test('the words of an address say nothing of what is wanted', () => {
  assert.equal(classify('https://code.example/python/bug/function.py').primary_intent, 'chat');
  assert.equal(classify('https://calendar.example/spreadsheet').primary_intent, 'chat');
});
