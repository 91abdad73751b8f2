/** Checks answers by schemas of clients, which may ask for more time or memory than there is: in a thread that can be ended. */
import { parentPort } from 'node:worker_threads';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** `text`: the answer; without it only the schema is looked at. */
export type Check = { schema: Record<string, unknown>; text: string | undefined };
/** `schema`: what is wrong with it; `answer`: what is wrong with that, each in a few words. */
export type Checked = { schema?: string; answer?: string[] };

const MAX_PROBLEMS = 5;
const MAX_PROBLEM = 300;
const OPTIONS = { strict: false, validateFormats: false, logger: false, allErrors: false } as const;
/** Compiled schemas, the latest last. */
const compiled = new Map<string, ValidateFunction>();
const MAX_COMPILED = 50;

/** A schema of any draft: what it calls itself is no address to ask, and old ones are told by what new ones do not take. */
function compile({ $schema: _, $id: __, ...schema }: Record<string, unknown>): ValidateFunction {
  try {
    return new Ajv2020(OPTIONS).compile(schema);
  } catch (error) {
    try {
      return new Ajv(OPTIONS).compile(schema);
    } catch {
      throw error;
    }
  }
}

function validatorOf(schema: Record<string, unknown>): ValidateFunction {
  const key = JSON.stringify(schema);
  const validate = compiled.get(key) ?? compile(schema);
  compiled.delete(key);
  compiled.set(key, validate);
  if (compiled.size > MAX_COMPILED) compiled.delete(compiled.keys().next().value ?? '');
  return validate;
}

const words = ({ instancePath, message = 'is not valid', params }: ErrorObject) => {
  const { additionalProperty, allowedValues } = params as { additionalProperty?: string; allowedValues?: unknown[] };
  const more = additionalProperty ?? allowedValues?.join(', ');
  return `${instancePath || 'it'} ${message}${more === undefined ? '' : ` (${more})`}`.slice(0, MAX_PROBLEM);
};

function check({ schema, text }: Check): Checked {
  let validate: ValidateFunction;
  try {
    validate = validatorOf(schema);
  } catch (error) {
    return { schema: (error instanceof Error ? error.message : String(error)).slice(0, MAX_PROBLEM) };
  }
  if (text === undefined || validate(JSON.parse(text))) return {};
  return { answer: (validate.errors ?? []).slice(0, MAX_PROBLEMS).map(words) };
}

parentPort?.on('message', (asked: Check) => parentPort?.postMessage(check(asked)));
