/** The bodies of submits, which follow from the job types. */
import type { Catalog, JobType } from '@beanline/shared/job-type.ts';
import type { TaskView } from '@beanline/shared/task-view.ts';
import { z } from 'zod';
import { task } from '../../openapi/examples.ts';
import { named, nameOf } from '../../openapi/job-types.ts';
import { sampleOf } from '../../openapi/sample.ts';
import { SubmitOptions } from './submit-request.ts';

/**
 * A body with the fields, the options beside them, and what no field says alone. Not as a `not`: viewers show a schema with
 * one as `never`.
 */
const withOptions = <Fields extends z.core.$ZodShape>(fields: Fields, rules: object = {}) =>
  z
    .strictObject({ ...fields, ...SubmitOptions.shape })
    .meta({ dependentSchemas: { ...rules, delay_ms: { properties: { run_at: false } } } });

/** What an input says of its fields together. */
const rulesOf = (input: z.ZodObject) => (input.meta()?.dependentSchemas ?? {}) as object;

/** The fields of an input and the options, side by side. Throws for an input that is no object. */
function bodySchema(input: z.core.$ZodType): z.ZodType {
  if (input instanceof z.ZodObject) return withOptions(input.shape, rulesOf(input));
  if (input instanceof z.ZodUnion) return z.union(input.options.map(bodySchema) as [z.ZodType, ...z.ZodType[]]);
  if (input instanceof z.ZodPipe) return bodySchema(input.in);
  throw new TypeError('A job type with a route of its own takes an object.');
}

/** The body of a job type's own route. */
export const bodyOf = (type: JobType): z.ZodType => bodySchema(type.input).meta({ id: `${nameOf(type)}Body` });

/** The body of a route of a session, which is in its path. */
export function sessionBodyOf(type: JobType): z.ZodType {
  if (!(type.input instanceof z.ZodObject))
    throw new TypeError('A job type with a route of its session takes an object.');
  const { session_id: _, ...fields } = type.input.shape;
  return withOptions(fields).meta({ id: `${nameOf(type)}Body` });
}

/** The body of `POST /tasks`: `{type, input, …options}`, one shape per job type. */
export function taskBodyOf(catalog: Catalog): z.ZodType {
  const bodies = [...catalog.values()].map((type) =>
    withOptions({
      type: z.literal(type.name).meta({ description: 'The job type' }),
      input: named(type.input, `${nameOf(type)}Input`).meta({ description: 'What the job type takes' }),
    }).meta({ id: `${nameOf(type)}Task` }),
  );
  const [first, ...more] = bodies;
  return first ? z.discriminatedUnion('type', [first, ...more]).meta({ id: 'TaskBody' }) : z.never();
}

/** The first example of a job type's input, or a sample of it. Its own route takes it as it is. */
export const exampleOf = (type: JobType): unknown =>
  z.globalRegistry.get(type.input)?.examples?.[0] ?? sampleOf(type.input);

/** A finished task of a job type, with the first example of its output, or a sample of it. */
export function taskExampleOf({ name, output }: JobType): TaskView {
  const given = z.globalRegistry.get(output)?.examples?.[0] ?? sampleOf(output);
  return name === task.type ? task : { ...task, type: name, output: given ?? null };
}

/** Bodies of `POST /tasks` as examples, by job type. */
export function taskExamplesOf(catalog: Catalog): Record<string, { value: unknown }> {
  return Object.fromEntries(
    [...catalog.values()].flatMap((type) => {
      const input = exampleOf(type);
      return input === undefined ? [] : [[type.name, { value: { type: type.name, input } }]];
    }),
  );
}
