/** What a text names: urls, emails, dates and types of files. */

/** Of each kind, and of the text that is looked at, in characters. */
const MAX_ENTITIES = 20;
const MAX_TEXT = 20_000;

const URLS = /\b(?:https?:\/\/|www\.)[\w\-.~:/?#[\]@!$&'()*+,;=%]{1,2000}/gi;
const EMAILS = /(?<![\w.%+-])[\w.%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}/gi;

const MONTH = '(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}';
const DAY = '(?:mon|tues|wednes|thurs|fri|satur|sun)day';
const DATES = new RegExp(
  [
    '(?<!\\d)\\d{4}[-./]\\d{1,2}[-./]\\d{1,2}(?!\\d)',
    '(?<![\\d/])\\d{1,2}/\\d{1,2}/\\d{2,4}(?![\\d/])',
    '(?:\\d{2,4}년\\s*)?\\d{1,2}월(?:\\s*\\d{1,2}일)?',
    '\\d{2,4}년',
    '오늘|내일|모레|글피|어제|그저께',
    '(?:지난|이번|다음|다다음)\\s*(?:주|달|해|년)(?:\\s*[월화수목금토일]요일)?|[월화수목금토일]요일',
    `\\b${MONTH}\\s+\\d{1,2}(?:st|nd|rd|th)?(?:,?\\s+\\d{4})?\\b`,
    `\\b\\d{1,2}(?:st|nd|rd|th)?\\s+(?:of\\s+)?${MONTH}(?:\\s+\\d{4})?\\b`,
    `\\b(?:today|tomorrow|yesterday|(?:(?:last|this|next)\\s+)?${DAY}|(?:last|this|next)\\s+(?:week|month|year))\\b`,
  ].join('|'),
  'gi',
);

const TYPES =
  'pdf|docx?|hwpx?|pptx?|xlsx?|csv|tsv|txt|md|rtf|json|xml|ya?ml|html?|png|jpe?g|gif|webp|svg|bmp|tiff?|heic|mp3|mp4|wav|m4a|flac|ogg|webm|mov|avi|zip|py|js|ts|java|sql|ipynb';
const FILE_TYPES = new RegExp(`\\.(${TYPES})(?![a-z0-9])`, 'gi');
/** Those that people name without a file. */
const NAMED_TYPES = /(?<![a-z0-9.])(pdf|docx|hwp|pptx|xlsx|csv|json|png|jpe?g|mp3|mp4|wav)(?![a-z0-9])/gi;

/** Each once, in the order of the text. */
const some = (found: Iterable<string>) => [...new Set(found)].slice(0, MAX_ENTITIES);

/** Signs that end a sentence end no address, nor does a bracket that was opened before it. */
function addressOf(found: string): string {
  const url = found.replace(/[.,;:!?'*]+$/, '');
  const count = (sign: string) => url.split(sign).length;
  const isUnopened = (url.endsWith(')') && count(')') > count('(')) || (url.endsWith(']') && count(']') > count('['));
  return isUnopened ? addressOf(url.slice(0, -1)) : url;
}

const matches = (text: string, pattern: RegExp) => Array.from(text.matchAll(pattern), ([found]) => found);

/** The text without what it names by address: no word in those says what is wanted. */
export const withoutAddresses = (text: string) => text.replace(URLS, ' ').replace(EMAILS, ' @mail ');

/** As they are written. Only the first 20 of each kind, in the first 20,000 characters. */
export function extractEntities(whole: string): Record<string, string[]> {
  const text = whole.slice(0, MAX_TEXT);
  const urls = matches(text, URLS).map(addressOf);
  const left = text.replace(URLS, ' ');
  const emails = matches(left, EMAILS);
  const words = left.replace(EMAILS, ' ');
  const types = [...text.matchAll(FILE_TYPES), ...words.matchAll(NAMED_TYPES)].map(([, type = '']) =>
    type.toLowerCase(),
  );
  const found = { urls, emails, dates: matches(words, DATES), file_types: types };
  return Object.fromEntries(
    Object.entries(found).flatMap(([kind, of]) => (of.length > 0 ? [[kind, some(of)] as const] : [])),
  );
}
