/**
 * The text of a page, without its scripts and its looks. It is read in one pass, without a tree: a page that nests without end
 * costs no more than its length.
 */
import { type Token, Tokenizer, TokenizerMode } from 'parse5';

/** What of a page nobody reads. */
const SKIPPED = new Set(['script', 'style', 'template', 'svg', 'math', 'iframe', 'noembed', 'noframes']);
/** Elements whose content is text to their end, whatever it looks like. */
const MODES: Record<string, (typeof TokenizerMode)[keyof typeof TokenizerMode]> = {
  title: TokenizerMode.RCDATA,
  textarea: TokenizerMode.RCDATA,
  script: TokenizerMode.SCRIPT_DATA,
  style: TokenizerMode.RAWTEXT,
  xmp: TokenizerMode.RAWTEXT,
  iframe: TokenizerMode.RAWTEXT,
  noembed: TokenizerMode.RAWTEXT,
  noframes: TokenizerMode.RAWTEXT,
};
/** What stands before the next word: nothing, a space, a new line, an empty line. */
const GAPS = ['', ' ', '\n', '\n\n'] as const;
const SPACE = 1;
const LINE = 2;
const PARAGRAPH = 3;
const gapOf = new Map<string, number>([
  ...['td', 'th', 'option', 'button'].map((name) => [name, SPACE] as const),
  ...['br', 'hr', 'div', 'li', 'tr', 'dt', 'dd', 'section', 'article', 'header', 'footer', 'nav', 'main', 'aside'].map(
    (name) => [name, LINE] as const,
  ),
  ...['form', 'fieldset', 'figure', 'figcaption', 'address', 'details', 'summary', 'caption'].map(
    (name) => [name, LINE] as const,
  ),
  ...['p', 'pre', 'blockquote', 'ul', 'ol', 'dl', 'table', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map(
    (name) => [name, PARAGRAPH] as const,
  ),
]);

function textWriter() {
  const pieces: string[] = [];
  let gap = 0;
  return {
    /** At least this much room before what comes next. */
    part(least: number) {
      gap = Math.max(gap, least);
    },
    word(text: string) {
      pieces.push(pieces.length === 0 ? '' : (GAPS[gap] ?? ''), text);
      gap = 0;
    },
    /** Words and the room between them, which collapses. */
    flow(text: string) {
      const words = text.split(/[ \t\r\n\f]+/);
      for (const [index, word] of words.entries()) {
        if (index > 0) gap = Math.max(gap, SPACE);
        if (word !== '') this.word(word);
      }
    },
    text: () => pieces.join(''),
  };
}

/** Its title, empty when it has none, and its text. */
export function htmlText(page: string): { title: string; text: string } {
  const body = textWriter();
  const title = textWriter();
  let skipped = '';
  let depth = 0;
  let preformatted = 0;
  let isTitle = false;

  function characters({ chars }: Token.CharacterToken) {
    if (skipped !== '') return;
    if (isTitle) title.flow(chars);
    else if (preformatted > 0) body.word(chars);
    else body.flow(chars);
  }
  function startTag({ tagName, attrs, selfClosing }: Token.TagToken) {
    if (skipped !== '') {
      if (tagName === skipped && !selfClosing) depth++;
    } else if (SKIPPED.has(tagName)) {
      if (!selfClosing || tagName in MODES) [skipped, depth] = [tagName, 1];
    } else {
      body.part(gapOf.get(tagName) ?? 0);
      if (tagName === 'title') isTitle = true;
      if (tagName === 'pre') preformatted++;
      if (tagName === 'li') body.flow('- ');
      if (tagName === 'img') body.flow(` ${attrs.find(({ name }) => name === 'alt')?.value ?? ''} `);
    }
    tokenizer.state = MODES[tagName] ?? tokenizer.state;
  }
  function endTag({ tagName }: Token.TagToken) {
    if (skipped !== '') {
      if (tagName === skipped && --depth === 0) skipped = '';
      return;
    }
    body.part(gapOf.get(tagName) ?? 0);
    if (tagName === 'title') isTitle = false;
    if (tagName === 'pre') preformatted = Math.max(0, preformatted - 1);
  }
  const nothing = () => undefined;
  const tokenizer = new Tokenizer(
    {},
    {
      ...{ onComment: nothing, onDoctype: nothing, onEof: nothing, onNullCharacter: nothing },
      ...{ onCharacter: characters, onWhitespaceCharacter: characters, onStartTag: startTag, onEndTag: endTag },
    },
  );
  tokenizer.write(page, true);
  return { title: title.text(), text: body.text() };
}
