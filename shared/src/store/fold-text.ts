/**
 * The form in which texts are compared by search, in every store and for every language alike: compatibility forms made
 * plain, case folded by Unicode's full table, composed. Folding such a text again changes nothing.
 *
 * Three rules are ours. `İ`, `I`, `ı` and `i` are one letter: nobody tells us the language, and each of them is another one's
 * capital or small form in some. Hangul letters that stand alone (`ㅋㅋ`, `ㅠㅠ`) stay alone: NFKC would join them to syllables,
 * in which nobody finds them. Of a text no more than MAX_SEARCHED letters are left, however far it unfolds.
 */
import { lookupFolding } from 'unicode-case-folding';

/** Of a body, this much is searched. */
export const MAX_SEARCHED = 200_000;

const ASCII = /^[\0-\x7f]*$/;
/** All but single Hangul letters, wide and half wide. */
const COMPATIBLE = /[^\u3131-\u318e\uffa0-\uffdc]+/g;
const FOLDS = /\p{Changes_When_Casefolded}/gu;
/** `ı`, and the dot that a folded `İ` leaves above its `i`. */
const TURKISH = /ı|(?<=\p{Soft_Dotted})\u0307+/gu;

function foldLetter(letter: string): string {
  const folded = lookupFolding(letter.codePointAt(0) as number);
  return folded ? String.fromCodePoint(...folded) : letter;
}

/** Half letters become U+FFFD, as which stores keep them. */
export function foldText(text: string): string {
  const searched = text.slice(0, MAX_SEARCHED);
  if (ASCII.test(searched)) return searched.toLowerCase();
  return searched
    .replace(COMPATIBLE, (some) => some.normalize('NFKC'))
    .replace(FOLDS, foldLetter)
    .replace(TURKISH, (letter) => (letter === 'ı' ? 'i' : ''))
    .normalize('NFC')
    .slice(0, MAX_SEARCHED)
    .toWellFormed();
}
