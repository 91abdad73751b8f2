/** A value that a schema takes, for job types that give no example: a viewer would make up one with every option at once. */
import { z } from 'zod';

type Json = z.core.JSONSchema.JSONSchema;

/** The smallest value of a JSON schema: what is required, each as short and as low as it may be. */
function smallest(schema: Json | boolean, definitions: Record<string, Json>): unknown {
  if (typeof schema === 'boolean') return null;
  if (schema.$ref) return smallest(definitions[schema.$ref.split('/').at(-1) ?? ''] ?? {}, definitions);
  const given = [schema.const, schema.default, ...(schema.examples ?? []), ...(schema.enum ?? [])];
  const [first] = given.filter((value) => value !== undefined);
  if (first !== undefined) return first;
  const [shape] = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  if (shape) return smallest(shape, definitions);
  // It may name several.
  switch ([schema.type].flat()[0]) {
    case 'object': {
      const { properties = {}, required = [] } = schema;
      return Object.fromEntries(required.map((name) => [name, smallest(properties[name] ?? {}, definitions)]));
    }
    case 'array': {
      const item = schema.items && !Array.isArray(schema.items) ? schema.items : {};
      return Array.from({ length: schema.minItems ?? 0 }, () => smallest(item, definitions));
    }
    case 'string':
      return 'text'.padEnd(schema.minLength ?? 0, '.').slice(0, schema.maxLength);
    case 'number':
    case 'integer':
      return schema.minimum ?? Math.min(1, schema.maximum ?? 1);
    case 'boolean':
      return false;
    default:
      return null;
  }
}

/** The smallest value that a schema takes; undefined where none is found. */
export function sampleOf(schema: z.ZodType): unknown {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const sample = smallest(json, json.$defs ?? {});
  return schema.safeParse(sample).success ? sample : undefined;
}
