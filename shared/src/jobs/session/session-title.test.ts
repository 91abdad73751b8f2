import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, withoutThoughts } from './model-text.ts';
import { cleanTitle } from './session-title.ts';

const titles: [given: string, title: string][] = [
  ['Green beans', 'Green beans'],
  ['"Green beans"', 'Green beans'],
  ['“Green beans”\n\nI hope this helps!', 'Green beans'],
  ['Title: **Green beans**', 'Green beans'],
  ['# 제목: 「초록 콩」', '초록 콩'],
  ['<think>What\nis it?</think>\n\n- Green   beans', 'Green beans'],
  ['<think>cut off while', ''],
  ['I should name it after beans.\n</think>\n\nGreen beans', 'Green beans'],
  ['<THINK>what?</Think>Green beans', 'Green beans'],
  ['<thinking kind="deep">what?</thinking>Green beans', 'Green beans'],
  ['<reasoning>what?</reasoning>\nGreen beans', 'Green beans'],
  ['<thought>what?', ''],
  ['[THINK]what?[/THINK]Green beans', 'Green beans'],
  ['hm[/THINK]Green beans', 'Green beans'],
  ['◁think▷what?◁/think▷Green beans', 'Green beans'],
  ['<|START_THINKING|>what?<|END_THINKING|>Green beans', 'Green beans'],
  ['<seed:think>what?</seed:think>Green beans', 'Green beans'],
  ['<|channel|>analysis<|message|>what?<|end|><|start|>assistant<|channel|>final<|message|>Green beans', 'Green beans'],
  ['<think>a<think>b</think>c</think>Green beans', 'Green beans'],
  ['[reason] why beans are green', '[reason] why beans are green'],
  ['\n \n"" ', ''],
  ['a'.repeat(50), 'a'.repeat(50)],
  ['a'.repeat(51), `${'a'.repeat(49)}…`],
  ['🫘'.repeat(60), `${'🫘'.repeat(49)}…`],
  ['half \ud83e', 'half \ufffd'],
];

for (const [given, title] of titles) {
  test(`a model's ${JSON.stringify(given).slice(0, 40)} is the title ${JSON.stringify(title)}`, () => {
    assert.equal(cleanTitle(given), title);
  });
}

test('thoughts are left out wherever they stand', () => {
  assert.equal(withoutThoughts('<think>a</think>b<think>c</think> d <think>e'), 'b d');
});

test('a text that is cut is no longer than told, in letters', () => {
  for (const text of ['', 'ab', 'abc', 'abcd', '🫘🫘🫘', '🫘🫘🫘🫘', 'a'.repeat(100_000)]) {
    assert.ok([...cut(text, 3)].length <= 3, text.slice(0, 10));
    assert.equal(cut(text, 3).isWellFormed(), true);
  }
  assert.equal(cut('abc', 3), 'abc');
});
