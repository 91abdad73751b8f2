import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caseFold } from 'unicode-case-folding';
import { foldText, MAX_SEARCHED } from './fold-text.ts';

/** Every letter there is, by itself. */
function* everyLetter() {
  for (let code = 0; code <= 0x10_ff_ff; code++) {
    if (code < 0xd8_00 || code > 0xdf_ff) yield String.fromCodePoint(code);
  }
}
const isLoneHangul = (letter: string) => /[\u3131-\u318e\uffa0-\uffdc]/.test(letter);

test('every letter of Unicode folds as its table of full case folding says, but for what is ours', () => {
  for (const letter of everyLetter()) {
    const folded = caseFold(letter.normalize('NFKC')).normalize('NFC');
    const expected = isLoneHangul(letter) ? letter : ({ İ: 'i', ı: 'i', 'i\u0307': 'i' }[folded] ?? folded);
    assert.equal(foldText(letter), expected, `U+${letter.codePointAt(0)?.toString(16)}`);
  }
});

test('what is folded stays as it is when it is folded again', () => {
  for (const letter of everyLetter()) {
    const folded = foldText(`${letter}I\u0307${letter}`);
    assert.equal(foldText(folded), folded, `U+${letter.codePointAt(0)?.toString(16)}`);
  }
});

test('a text that unfolds to many times its length is bounded, and half a letter is well-formed', () => {
  // One letter of eighteen.
  assert.equal(foldText('\ufdfa').length, 18);
  assert.equal(foldText('\ufdfa'.repeat(MAX_SEARCHED)).length, MAX_SEARCHED);
  assert.equal(foldText('\ud83d'), '\ufffd');
  assert.equal(foldText(`é${'x'.repeat(MAX_SEARCHED - 2)}😀`), `é${'x'.repeat(MAX_SEARCHED - 2)}\ufffd`);
});
