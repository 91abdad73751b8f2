/** `tool_options` of a request: flat, and each key belongs to the tools that declare it. */
import type { z } from 'zod';
import type { FieldError } from '../../errors.ts';
import { fieldIssues, issueWords } from '../../text.ts';
import type { Tool, ToolRow } from '../tool.ts';

type Options = Record<string, unknown>;

const schemasOf = (rows: readonly ToolRow[], key: string) =>
  rows.flatMap(({ options }) => (Object.hasOwn(options.shape, key) ? [options.shape[key] as z.ZodType] : []));

/** What is wrong with them, by their paths within: a key that no tool declares, or a value that its tools do not take. */
export function optionProblems(options: Options, rows: readonly ToolRow[]): FieldError[] {
  return Object.entries(options).flatMap(([key, value]): FieldError[] => {
    const schemas = schemasOf(rows, key);
    if (schemas.length === 0) return [{ path: key, message: 'is an option of no tool' }];
    const issues = schemas.flatMap((schema) => schema.safeParse(value, { error: issueWords }).error?.issues ?? []);
    const messages = new Set(
      issues
        .flatMap(fieldIssues)
        .map(({ path, message }) => JSON.stringify({ path: [key, ...path].join('.'), message })),
    );
    return [...messages].map((text) => JSON.parse(text));
  });
}

/** Those of them that are the tool's, as its schema has them. They have no problem. */
export function optionsOf({ options: schema }: Tool, given: Options): Options {
  const own = Object.entries(given).filter(([key]) => Object.hasOwn(schema.shape, key));
  return schema.parse(Object.fromEntries(own));
}
