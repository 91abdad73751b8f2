/** Whether a call makes sense: a tool there is, and arguments that it takes. What is wrong is said to the model that made it. */
import type { Context } from '../../../context.ts';
import { fieldIssues, issueWords } from '../../../text.ts';
import type { Tool } from '../../tool.ts';

const MAX_PROBLEMS = 5;

/** The tool, or in words that it cannot be used. */
export const findTool = ({ tools }: Pick<Context, 'tools'>, name: string): Tool | string =>
  tools.offered.get(name) ?? `There is no tool ${name} that this runner can run.`;

const told = ({ path, message }: ReturnType<typeof fieldIssues>[number]) =>
  `${path.map(String).join('.') || 'the arguments'}: ${message}`;

/** The arguments as the tool takes them, or what is wrong with them. */
export function checkArguments(tool: Tool, given: unknown): { args: Record<string, unknown> } | { problem: string } {
  const checked = tool.input.safeParse(given, { error: issueWords });
  if (checked.success) return { args: checked.data };
  const problems = checked.error.issues.flatMap(fieldIssues).slice(0, MAX_PROBLEMS).map(told).join('; ');
  return { problem: `The arguments of ${tool.name} are not valid: ${problems}.` };
}

/** Deeper ones are nonsense, and what walks through them would not come back. */
const MAX_DEPTH = 64;

const isDeep = (value: unknown, depth = 0): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (depth >= MAX_DEPTH || Object.values(value).some((inner) => isDeep(inner, depth + 1)));

/** What a model has written as arguments: an object, or nothing where none are needed. */
export function parseArguments(text: string): { given: unknown } | { problem: string } {
  if (text.trim() === '') return { given: {} };
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return { problem: 'The arguments are not JSON.' };
  }
  return isDeep(given) ? { problem: `The arguments are nested more than ${MAX_DEPTH} levels deep.` } : { given };
}
