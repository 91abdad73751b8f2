/** What a request, or a person's answer, says of tools: checked before anything comes of it. */
import type { z } from 'zod';
import { type FieldError, TaskError } from '../errors.ts';
import type { Answering } from '../part.ts';
import { fieldIssues, issueWords } from '../text.ts';
import type { ToolDirectory } from './registry/directory.ts';
import { optionProblems } from './registry/options.ts';

/** What an input says of tools; paths lead to it within the input. */
export type AskedTools = {
  /** Tools that it wants. */
  names: { path: string; name: string }[];
  /** Names that it gives to functions of its own. */
  own: { path: string; name: string }[];
  options: { path: string; values: Record<string, unknown> };
};

declare module '../job-type.ts' {
  interface JobType<Input extends z.ZodType, Output extends z.ZodType> {
    /** Of a job type that calls tools: what its input says of them. */
    askedTools?(input: z.output<Input>): AskedTools;
  }
}

/** Why a tool cannot be used now, as the words behind its field; null when it can. */
async function usable(directory: ToolDirectory) {
  const { isKnown, of } = await directory.availability();
  return (name: string): string | null => {
    const row = directory.rows.find((one) => one.name === name);
    if (!row) return 'is the name of no tool';
    const { reason } = of(row);
    // Without a runner nobody knows: the task waits for one.
    return isKnown && reason !== null ? `cannot be used now. ${reason}` : null;
  };
}

/** Throws `invalid_request` with every field that is wrong. `prefix` leads to the input in the request. */
export async function requireTools(directory: ToolDirectory, asked: AskedTools, prefix: string[]): Promise<void> {
  const { names, own, options } = asked;
  // Who names none need not wait for what is announced.
  const problemOf = names.length > 0 ? await usable(directory) : () => null;
  const isOurs = (name: string) => directory.rows.some((row) => row.name === name);
  const problems: FieldError[] = [
    ...names.flatMap(({ path, name }) => {
      const message = problemOf(name);
      return message === null ? [] : [{ path, message }];
    }),
    ...own.flatMap(({ path, name }) => (isOurs(name) ? [{ path, message: 'is the name of a tool of ours' }] : [])),
    ...optionProblems(options.values, directory.rows).map(({ path, message }) => ({
      path: `${options.path}.${path}`,
      message,
    })),
  ];
  if (problems.length === 0) return;
  const fields = problems.map(({ path, message }) => ({ path: [...prefix, path].join('.'), message }));
  const named = fields.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw new TaskError('invalid_request', `The request is not valid: ${named}`, { fields });
}

/** What is wrong with an answer that changes what a tool is given, or which tool it is. */
export async function answerProblems(directory: ToolDirectory, { asked, answer }: Answering): Promise<FieldError[]> {
  const { action, tool = asked.tool, arguments: given } = answer;
  if (action !== 'run' && action !== 'change_tool') return [];
  const problem = action === 'change_tool' ? (await usable(directory))(tool) : null;
  if (problem !== null) return [{ path: 'tool', message: problem }];
  const row = directory.rows.find(({ name }) => name === tool);
  // Another tool is given what was shown, unless it has arguments of its own for the query.
  const taken = given ?? (action === 'change_tool' && row && !('argumentsOf' in row) ? asked.arguments : undefined);
  if (!row || taken === undefined) return [];
  const issues = row.input.safeParse(taken, { error: issueWords }).error?.issues ?? [];
  return issues
    .flatMap(fieldIssues)
    .map(({ path, message }) => ({ path: ['arguments', ...path].map(String).join('.'), message }));
}
