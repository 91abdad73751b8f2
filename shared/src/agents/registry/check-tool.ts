/** What is wrong with a job type as a tool: alone, and beside the tools that there are. */
import { z } from 'zod';
import type { JobType } from '../../job-type.ts';
import { intents } from '../intent.ts';
import type { ToolRow } from '../tool.ts';
import { awaitedTools } from '../tools/awaited.ts';
import { tools } from '../tools/catalog.ts';
import { KEY } from '../variables.ts';
import { schemaOf } from './functions.ts';
import { jobTool } from './job-tool.ts';

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const MAX_NAME_LENGTH = 64;

const isText = (value: unknown) => typeof value === 'string' && value.trim() !== '';

function notSchema(schema: unknown, what: string): string | undefined {
  if (!(schema instanceof z.ZodObject)) return `${what} must be a z.strictObject`;
  try {
    schemaOf(schema);
    return undefined;
  } catch (error) {
    return `${what} must be JSON: ${(error as Error).message}`;
  }
}

function wrongAlone({ input, asTool }: JobType): string | undefined {
  if (typeof asTool !== 'object' || asTool === null) return 'must be an object';
  const { name, title, description, intents: served, needs, options } = asTool;
  if (typeof name !== 'string' || !NAME.test(name) || name.length > MAX_NAME_LENGTH)
    return 'name must be lower-case words joined by underscores, such as write_haiku';
  if (!isText(title?.en)) return 'title must have a text in English: { en: … }';
  if (!isText(description)) return 'description must say what it does, for the model';
  if (!Array.isArray(served) || served.length === 0 || !served.every((one) => intents.includes(one)))
    return `intents must be some of: ${intents.join(', ')}`;
  const wrongNeed = needs?.find((need) => !('part' in need) && !KEY.test(need.key));
  if (wrongNeed) return 'needs: the variable of a key must end in _KEY, _TOKEN, _SECRET or _PASSWORD';
  const wrongInput = notSchema(
    asTool.input ?? input,
    asTool.input ? 'input' : 'without an input of its own, that of the job type',
  );
  return wrongInput ?? (options === undefined ? undefined : notSchema(options, 'options'));
}

const formOf = (row: ToolRow, key: string) => JSON.stringify(schemaOf(row.options).properties?.[key]);

/** An option that several tools take has one form: a request gives it once. */
function wrongOption(tool: ToolRow, others: readonly ToolRow[]): string | undefined {
  for (const key of Object.keys(tool.options.shape))
    for (const other of others)
      if (Object.hasOwn(other.options.shape, key) && formOf(other, key) !== formOf(tool, key))
        return `options.${key} is an option of ${other.name} in another form`;
  return undefined;
}

/** What is wrong with it; undefined when nothing is, or when it offers no tool. `before`: job types that are there already. */
export function wrongTool(type: JobType, before: readonly JobType[]): string | undefined {
  if (type.asTool === undefined) return undefined;
  const wrong = wrongAlone(type);
  const tool = wrong === undefined ? jobTool(type) : undefined;
  if (!tool) return wrong;
  const others = [
    ...tools,
    ...before.flatMap((other) => (wrongAlone(other) === undefined ? (jobTool(other) ?? []) : [])),
  ];
  if (others.some(({ name }) => name === tool.name)) return `there is a tool ${tool.name} already`;
  return wrongOption(tool, [...others, ...awaitedTools.filter(({ name }) => name !== tool.name)]);
}
