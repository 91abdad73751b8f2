/** What is wrong with a request, field by field: bounded, in our words, and never with a value of the client's. */
import { type FieldError, TaskError } from '@beanline/shared/errors.ts';
import { issueWords } from '@beanline/shared/text.ts';
import type { z } from 'zod';

/** How many bad fields one answer names, and how much of each name. */
const MAX_NAMED = 100;
const MAX_NAME_LENGTH = 200;

const pathText = (path: readonly PropertyKey[]) =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`)).join('');

type Issue = z.core.$ZodIssue;

/** The value had this alternative's shape; what is wrong lies within. */
const isInside = (issues: readonly Issue[]) => issues.every(({ path }) => path.length > 0);

/** Collects bad fields: it names the first hundred, and counts the others. `hints` are told of unknown fields of these names. */
export function collectProblems(hints: ReadonlyMap<string, string> = new Map()) {
  const fields: FieldError[] = [];
  let more = 0;

  function add(path: readonly PropertyKey[], message: string): void {
    if (fields.length === MAX_NAMED) more++;
    else fields.push({ path: pathText(path).slice(0, MAX_NAME_LENGTH), message });
  }

  /** Unknown fields are named one by one, and the bad field inside a union's value. */
  function addIssue(issue: Issue, prefix: readonly PropertyKey[]): void {
    const path = [...prefix, ...issue.path];
    const inner = issue.code === 'invalid_union' ? issue.errors.find(isInside) : undefined;
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) add([...path, key], hints.get(key) ?? issue.message);
    else if (inner) for (const one of inner) addIssue(one, path);
    else add(path, issue.message);
  }

  return {
    add,

    /** The value as the schema has it, or null when it has something bad, which is collected under the prefix. */
    check<Schema extends z.ZodType>(schema: Schema, value: unknown, prefix: readonly PropertyKey[] = []) {
      const parsed = schema.safeParse(value, { error: issueWords });
      if (parsed.success) return { data: parsed.data };
      for (const issue of parsed.error.issues) addIssue(issue, prefix);
      return null;
    },

    found: () => fields.length > 0,

    /** A 400 that names them. */
    refusal(): TaskError {
      const named = fields.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
      const rest = more === 0 ? '' : `; and ${more} more`;
      return new TaskError('invalid_request', `The request is not valid: ${named}${rest}`, { fields });
    },
  };
}

export type Problems = ReturnType<typeof collectProblems>;

/** A 400 that names these fields. */
export function invalid(...fields: FieldError[]): TaskError {
  const problems = collectProblems();
  for (const { path, message } of fields) problems.add([path], message);
  return problems.refusal();
}

/** The value as the schema has it. Throws a 400 that names every bad field. */
export function parseFields<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  prefix: readonly PropertyKey[] = [],
): z.output<Schema> {
  const problems = collectProblems();
  const checked = problems.check(schema, value, prefix);
  if (!checked) throw problems.refusal();
  return checked.data;
}
