/** JSON schemas that clients give. */
import { createRequire } from 'node:module';
import type { Ajv, ErrorObject } from 'ajv';
import { z } from 'zod';

/** Characters of a schema, as JSON. */
const MAX_SCHEMA = 128 * 1024;

type Problem = { path: string[]; message: string };

/** Loaded with the first schema: most programs never see one, and it takes 20 MB. */
const require = createRequire(import.meta.url);
let validators: Ajv[] | undefined;

/** By what schemas of today are, and by what those of old are. */
function validatorsOf(): Ajv[] {
  const options = { strict: false, validateFormats: false, logger: false } as const;
  validators ??= [
    new (require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')).Ajv2020(options),
    new (require('ajv') as typeof import('ajv')).Ajv(options),
  ];
  return validators;
}

function problemOf({ instancePath, message = 'is not valid' }: ErrorObject): Problem {
  const path = instancePath.split('/').slice(1);
  return { path: path.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')), message };
}

/** What of it is no JSON schema; undefined when it is one. What it calls itself is no address to ask. */
function schemaProblem({ $schema: _, ...schema }: Record<string, unknown>): Problem | undefined {
  try {
    if (JSON.stringify(schema).length > MAX_SCHEMA)
      return { path: [], message: `must have at most ${MAX_SCHEMA} characters` };
    const problems = validatorsOf().map((ajv) => (ajv.validateSchema(schema) ? undefined : ajv.errors?.[0]));
    const [ofToday] = problems;
    return ofToday && !problems.includes(undefined) ? problemOf(ofToday) : undefined;
  } catch {
    return { path: [], message: 'must not be so deep' };
  }
}

/** A JSON schema of what `of` names. */
export const JsonSchema = (of: string) =>
  z
    .record(z.string(), z.unknown())
    .superRefine((schema, context) => {
      const problem = schemaProblem(schema);
      if (problem) context.addIssue({ code: 'custom', ...problem });
    })
    .meta({ description: `A JSON schema of ${of}` });
