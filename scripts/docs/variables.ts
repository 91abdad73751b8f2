/** The variables of the configuration, as their own schemas tell of them. */
import { z } from 'zod';
import { HttpVariables } from '../../apps/api/src/http/variables.ts';
import { slices } from '../../shared/src/config.ts';
import type { Slice } from '../../shared/src/variable.ts';

/** `fallback` is empty for those that have none, or one that no text gives. */
export type Variable = {
  name: string;
  fallback: string;
  description: string;
  unit: 'ms' | 'bytes' | 'days' | undefined;
  /** What a number is at least and at most. */
  range: [number, number] | undefined;
};
export type Section = { title: string; about: string; variables: Variable[] };

/** What `.meta()` of a variable may hold. */
const Meta = z.strictObject({
  description: z.string().min(1),
  unit: z.enum(['ms', 'bytes', 'days']).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});

function variable(name: string, schema: z.ZodType): Variable {
  const { description, unit, min, max } = Meta.parse(schema.meta());
  const { data } = schema.safeParse(undefined);
  return {
    name,
    fallback: data === undefined || typeof data === 'object' ? '' : String(data),
    description,
    unit,
    range: min === undefined || max === undefined ? undefined : [min, max],
  };
}

const objectOf = (slice: Slice) => (slice instanceof z.ZodPipe ? slice.in : slice);

function section(slice: Slice): Section {
  const object = objectOf(slice);
  const { title, description = '' } = z
    .object({ title: z.string(), description: z.string().optional() })
    .parse(object.meta());
  const variables = Object.entries(object.shape).map(([name, schema]) => variable(name, schema as z.ZodType));
  return { title, about: description.trim(), variables };
}

/** All there are, room by room. */
export const sections: readonly Section[] = [HttpVariables, ...slices]
  .filter((slice) => Object.keys(objectOf(slice).shape).length > 0)
  .map(section);
/** The same without their rooms. @internal */
export const variables: readonly Variable[] = sections.flatMap((one) => one.variables);
