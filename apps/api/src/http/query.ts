/** Query strings: every bad parameter is named; unknown ones are passed over. */
import { z } from 'zod';
import { parseFields } from './bad-fields.ts';
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
