/**
 * Clues: what in a text speaks for an intent. A clue is written as words, each a regular expression's source: `|` between
 * words that mean the same, ` + ` between groups that must all be there, anywhere in the text.
 * A word with Hangul in it matches inside of words too, because particles are glued on, unless `<` asks for a word's beginning.
 * A Latin word stands alone or in the plural, and a `*` at its end takes any ending. A space may be missing, or be a hyphen.
 */
export type Clue = {
  weight: number;
  /** The words of a text that make it; null when a group of it is not there. */
  find(text: string): string[] | null;
};

const HANGUL = /[\uac00-\ud7a3]/;

function wordSource(word: string): string {
  const spaced = word.replace(/^</, '').replace(/\*$/, '');
  if (HANGUL.test(word)) return `${word.startsWith('<') ? '(?<![가-힣])' : ''}${spaced.replaceAll(' ', '\\s*')}`;
  const plural = /(?:[sxz]|ch|sh)$/.test(spaced) ? '(?:es)?' : 's?';
  const ending = word.endsWith('*') ? '[a-z]*' : plural;
  return `(?<![a-z0-9])${spaced.replaceAll(' ', '[\\s-]*')}${ending}(?![a-z0-9])`;
}

/** Not those between parentheses. */
const BAR = /\|(?![^()]*\))/;
const groupOf = (words: string) => new RegExp(words.split(BAR).map(wordSource).join('|'));

export function clue(weight: number, expression: string): Clue {
  const groups = expression.split(' + ').map(groupOf);
  return {
    weight,
    find(text) {
      const found = groups.map((group) => group.exec(text)?.[0]);
      return found.every((word) => word !== undefined) ? found : null;
    },
  };
}
