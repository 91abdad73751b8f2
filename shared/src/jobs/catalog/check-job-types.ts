/** What a job type must be, built in or one's own: what its queue, its route and the document are made of. */
import { z } from 'zod';
import { wrongTool } from '../../agents/registry/check-tool.ts';
import type { JobType } from '../../job-type.ts';

export type Problem = { type: JobType; field: keyof JobType; message: string };

const NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/;
const MAX_NAME_LENGTH = 64;
const ROUTE = /^\/api(\/[a-z0-9][a-z0-9-]*)+$/;
/** The API has routes of its own there, and below. @internal */
export const RESERVED_ROUTES = ['/api/chat/sessions', '/api/chat/preferences', '/api/chat/intents', '/api/chat/tools'];
/** What a submit says beside the fields of the input, in the body of a job type's own route. @internal */
export const RESERVED_FIELDS = [
  'priority',
  'delay_ms',
  'run_at',
  'start_by',
  'timeout_ms',
  'max_attempts',
  'patience_ms',
  'on_busy',
  'metadata',
  'webhook',
];

const NUMBERS = {
  version: [1, Number.MAX_SAFE_INTEGER],
  concurrency: [1, 10_000],
  attempts: [1, 100],
  timeoutMs: [100, 86_400_000],
} as const;

const isSchema = (value: unknown): value is z.ZodType => value instanceof z.ZodType;

/** The objects that an input may be; undefined when it may be something else. */
function objectsOf(input: z.core.$ZodType): z.ZodObject[] | undefined {
  if (input instanceof z.ZodObject) return [input];
  if (input instanceof z.ZodPipe) return objectsOf(input.in);
  if (!(input instanceof z.ZodUnion)) return undefined;
  const options = input.options.map(objectsOf);
  return options.every((objects) => objects !== undefined) ? options.flat() : undefined;
}

const isStrict = ({ def }: z.ZodObject) => def.catchall?._zod.def.type === 'never';

function wrongInput({ input, route }: JobType): string | undefined {
  const objects = objectsOf(input);
  if (objects?.every(isStrict) !== true) return 'must be a z.strictObject, so that a misspelt field is refused';
  const taken = objects.flatMap(({ shape }) => RESERVED_FIELDS.filter((name) => Object.hasOwn(shape, name)));
  if (route === undefined || taken.length === 0) return undefined;
  return `must not have the field ${taken[0]}: with a route, it is an option of the submit`;
}

/** Why a schema cannot be written into the document, and so not be kept as JSON. */
function notJson(schema: z.ZodType, io: 'input' | 'output'): string | undefined {
  try {
    z.toJSONSchema(schema, { io });
    return undefined;
  } catch (error) {
    return `must be JSON: ${(error as Error).message}`;
  }
}

function wrongSchema(type: JobType, field: 'input' | 'output'): string | undefined {
  const schema = type[field];
  if (!isSchema(schema)) return `must be a schema of zod: import { z } from 'zod'`;
  const wrong = field === 'input' ? wrongInput(type) : undefined;
  return wrong ?? notJson(schema, 'output') ?? notJson(schema, 'input');
}

function wrongRoute({ route }: JobType): string | undefined {
  if (route === undefined) return undefined;
  if (typeof route !== 'string' || !ROUTE.test(route))
    return 'must begin with /api/, of lower-case letters, digits and -, such as /api/haiku';
  const reserved = RESERVED_ROUTES.find((place) => `${route}/`.startsWith(`${place}/`));
  return reserved && `must not begin with ${reserved}: the API has routes of its own there`;
}

function wrongNumber(value: unknown, [least, most]: readonly [number, number]): string | undefined {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) return undefined;
  return `must be a whole number from ${least} to ${most}`;
}

/** What is wrong with one job type alone. */
function problemsOfOne(type: JobType): Problem[] {
  const isNamed = typeof type.name === 'string' && NAME.test(type.name) && type.name.length <= MAX_NAME_LENGTH;
  const wrong: Partial<Record<keyof JobType, string | undefined>> = {
    name: isNamed ? undefined : 'must be lower-case words joined by dots, at least two, such as haiku.write',
    route: wrongRoute(type),
    input: wrongSchema(type, 'input'),
    output: wrongSchema(type, 'output'),
    run: typeof type.run === 'function' ? undefined : 'must be a function',
  };
  if (type.waitSeconds !== undefined) wrong.waitSeconds = wrongNumber(type.waitSeconds, [0, 60]);
  for (const [field, range] of Object.entries(NUMBERS))
    wrong[field as keyof typeof NUMBERS] = wrongNumber(type[field as keyof typeof NUMBERS], range);
  return Object.entries(wrong).flatMap(([field, message]) =>
    message === undefined ? [] : [{ type, field: field as keyof JobType, message }],
  );
}

/** Names that differ in dots and hyphens alone are one name in the document. */
const nameInDocument = ({ name }: JobType) => String(name).replaceAll('-', '.');

/** What is wrong with these job types, each alone and beside those before it. */
export function problemsOf(types: readonly JobType[]): Problem[] {
  return types.flatMap((type, index) => {
    const before = types.slice(0, index);
    const problems = problemsOfOne(type);
    const namesake = before.find((other) => nameInDocument(other) === nameInDocument(type));
    if (namesake) problems.push({ type, field: 'name', message: `there is a job type ${namesake.name} already` });
    const there = type.route === undefined ? undefined : before.find(({ route }) => route === type.route);
    if (there) problems.push({ type, field: 'route', message: `${type.route} is the route of ${there.name} already` });
    const wrong = wrongTool(type, before);
    if (wrong !== undefined) problems.push({ type, field: 'asTool', message: wrong });
    return problems;
  });
}
