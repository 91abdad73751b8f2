/** Query strings: every bad parameter is named, those that a route does not take among them. */
import { z } from 'zod';
import type { Operation } from '../openapi/operation.ts';
import { collectProblems, parseFields } from './bad-fields.ts';
import type { ApiContext } from './context.ts';

const described = (more: Record<string, unknown>) => ({
  override({ jsonSchema }: { jsonSchema: { pattern?: unknown; enum?: unknown } }) {
    delete jsonSchema.pattern;
    delete jsonSchema.enum;
    Object.assign(jsonSchema, more);
  },
});

/** A whole number of a query. */
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .meta(described({ type: 'integer', minimum: min, maximum: max }));

/** `true` or `false` of a query. */
export const flag = () =>
  z
    .enum(['true', 'false'], 'must be true or false')
    .transform((text) => text === 'true')
    .meta(described({ type: 'boolean' }));

/** `given` where a route takes some of the query apart itself. */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  c: ApiContext,
  given: Record<string, string> = c.req.query(),
): z.output<Schema> {
  return parseFields(schema, given);
}

/**
 * Throws a 400 that names each parameter that the route does not take or that is given twice, and what else is bad. Without
 * it a misspelt filter would list everything.
 */
export function refuseUnknown(c: ApiContext, { query, queryPrefix }: Partial<Operation> = {}): void {
  const [, given] = (c.env.incoming.url ?? '').split(/\?(.*)/s);
  if (!given) return;
  const known = Object.keys(query?.shape ?? {});
  const seen = new Set<string>();
  const problems = collectProblems();
  for (const name of new URLSearchParams(given).keys()) {
    const isKnown = known.includes(name) || (queryPrefix !== undefined && name.startsWith(queryPrefix));
    if (!isKnown) problems.add([name], 'unknown parameter');
    else if (seen.has(name)) problems.add([name], 'is given more than once');
    seen.add(name);
  }
  if (!problems.found()) return;
  if (query) problems.check(query, c.req.query());
  throw problems.refusal();
}
