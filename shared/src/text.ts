/** Texts: those that clients give, bounded, and what they are told of a value that is not valid. */
import { z } from 'zod';

/**
 * A text of so many characters, which every store can keep as it is. Counted as JSON Schema does: by code point, not by half
 * a pair.
 */
export const textOf = (min: number, max: number) =>
  z
    .string()
    .refine((text) => text.isWellFormed(), 'must not hold half of a surrogate pair')
    // A text has at least half as many code points as units: those need not be counted.
    .refine((text) => text.length >= min && text.length <= 2 * max && [...text].length <= max, {
      message: `must have ${min} to ${max} characters`,
    })
    .meta({
      override({ jsonSchema }: { jsonSchema: object }) {
        Object.assign(jsonSchema, { minLength: min, maxLength: max });
      },
    });

type Issue = z.core.$ZodRawIssue;

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  set: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'an object',
  null: 'null',
  date: 'a time',
  file: 'a file',
};

const FORMATS: Record<string, string> = {
  datetime: 'a time such as 2026-01-31T12:00:00Z',
  date: 'a day such as 2026-01-31',
  time: 'a time of day such as 12:00:00',
  duration: 'a duration such as PT30S',
  url: 'a URL',
  email: 'an e-mail address',
  json_string: 'JSON',
};

const UNITS: Record<string, string> = {
  string: 'character',
  array: 'item',
  set: 'item',
  object: 'field',
  map: 'field',
  record: 'field',
  file: 'byte',
};

/** The bound of a size or of a number. */
function boundWords(issue: Issue & { code: 'too_big' | 'too_small' }): string {
  const isLeast = issue.code === 'too_small';
  const bound = Number(isLeast ? issue.minimum : issue.maximum);
  const unit = UNITS[issue.origin];
  if (unit === undefined) {
    if (issue.inclusive === false) return `must be ${isLeast ? 'more' : 'less'} than ${bound}`;
    return `must be at ${isLeast ? 'least' : 'most'} ${bound}`;
  }
  if (isLeast && bound === 1 && !issue.exact) return 'must not be empty';
  const how = issue.exact ? 'exactly' : isLeast ? 'at least' : 'at most';
  return `must have ${how} ${bound} ${unit}${bound === 1 ? '' : 's'}`;
}

function formatWords(issue: Issue & { code: 'invalid_format' }): string {
  const { format } = issue;
  if (format === 'regex') return `must match ${issue.pattern}`;
  if (format === 'starts_with') return `must begin with ${JSON.stringify(issue.prefix)}`;
  if (format === 'ends_with') return `must end with ${JSON.stringify(issue.suffix)}`;
  if (format === 'includes') return `must contain ${JSON.stringify(issue.includes)}`;
  if (format === 'template_literal') return 'does not have the form it must have';
  if (format === 'lowercase' || format === 'uppercase') return `must be in ${format}`;
  return `must be ${FORMATS[format] ?? `of the format ${format}`}`;
}

const oneOf = (values: readonly unknown[]) =>
  values.length === 1 ? `must be ${JSON.stringify(values[0])}` : `must be one of: ${values.join(', ')}`;

/** Of a value that has none of several shapes: what each would have it be, where that is said in a word. */
function unionWords(issue: Issue & { code: 'invalid_union' }): string {
  if (issue.inclusive === false) return 'must have one of the shapes it may have, and has several';
  if (issue.options) return oneOf(issue.options);
  const words = issue.errors.flatMap(([first, ...more]) =>
    first && more.length === 0 && first.path.length === 0 && first.message.startsWith('must be ')
      ? first.message.slice('must be '.length)
      : [],
  );
  if (words.length < issue.errors.length || words.length === 0) return 'has none of the shapes it may have';
  return `must be ${[...new Set(words)].join(', or ')}`;
}

/** The issue at its field; unknown fields are named one by one. */
export const fieldIssues = (issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string }[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => ({ path: [...issue.path, key], message: issue.message }))
    : [{ path: issue.path, message: issue.message }];

/** What is wrong with a value, in our words: for every parse whose problems somebody is told. A schema's own words go before. */
export function issueWords(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required';
      return issue.expected === 'never' ? 'is not taken here' : `must be ${TYPES[issue.expected] ?? 'of another type'}`;
    case 'too_big':
    case 'too_small':
      return boundWords(issue);
    case 'invalid_format':
      return formatWords(issue);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_value':
      return issue.input === undefined ? 'is required' : oneOf(issue.values);
    case 'invalid_union':
      return issue.input === undefined && !issue.options ? 'is required' : unionWords(issue);
    case 'unrecognized_keys':
      return 'unknown field';
    case 'invalid_key':
      return `has a name that is not allowed: it ${issue.issues[0]?.message ?? 'is not valid'}`;
    case 'invalid_element':
      return `has an item that is not allowed: it ${issue.issues[0]?.message ?? 'is not valid'}`;
    default:
      return 'is not valid';
  }
}
