/** A tool as clients see it. */
import { z } from 'zod';
import { Intent } from '../intent.ts';
import type { ToolRow } from '../tool.ts';
import type { Availability } from './directory.ts';
import { schemaOf } from './functions.ts';

const Schema = z.record(z.string(), z.unknown());

export const ToolView = z
  .object({
    name: z.string().meta({ description: 'The name, by which requests and models call it' }),
    title: z.string().meta({ description: 'The name for people, in English' }),
    title_ko: z.string().meta({ description: 'The name for people, in Korean' }),
    description: z.string().meta({ description: 'What it does, as models are told' }),
    description_ko: z.string().optional().meta({ description: 'What it does, in Korean' }),
    status: z.enum(['available', 'unavailable', 'requires_key']).meta({
      description:
        '`available`: a runner that is there can run it. `requires_key`: the runners lack a key. `unavailable`: a part of the system is not there, or no runner',
    }),
    is_available: z.boolean().meta({ description: 'Whether the status is `available`' }),
    reason: z.string().nullable().meta({ description: 'Why it is not available; null when it is' }),
    missing_keys: z.array(z.string()).meta({ description: 'Variables with keys that no runner has' }),
    missing_packages: z
      .array(z.string())
      .meta({ description: 'Parts of the system that are not there, by their job types' }),
    intent_types: z.array(Intent).meta({ description: 'What it serves' }),
    priority: z.int().meta({ description: 'Of tools that serve the same, the highest is taken' }),
    effect: z.enum(['none', 'idempotent', 'once']).meta({
      description:
        'What a second call would do: nothing more; the same, by its key; the same once more, so that it is never called twice',
    }),
    approval: z
      .enum(['never', 'always', 'depends'])
      .meta({ description: 'Whether a person is asked before it runs; `depends`: on its arguments' }),
    is_streaming: z.boolean().meta({ description: 'Whether its text comes in pieces as the model says it' }),
    input_schema: Schema.meta({ description: 'The JSON schema of its arguments' }),
    options: Schema.meta({ description: 'What of `tool_options` it takes: each key with its JSON schema' }),
  })
  .meta({ id: 'Tool' });
export type ToolView = z.infer<typeof ToolView>;

const known = new WeakMap<ToolRow, Pick<ToolView, 'input_schema' | 'options'>>();

function schemasOf(row: ToolRow): Pick<ToolView, 'input_schema' | 'options'> {
  const there = known.get(row);
  if (there) return there;
  const { $schema, ...input } = schemaOf(row.input);
  const made = { input_schema: input, options: schemaOf(row.options).properties ?? {} };
  known.set(row, made);
  return made;
}

export function describeTool(row: ToolRow, { status, reason, missingKeys, missingParts }: Availability): ToolView {
  const { name, title, description, descriptionKo, intents, priority, effect, approval, streams } = row;
  return {
    ...{ name, title: title.en, title_ko: title.ko, description },
    ...(descriptionKo === undefined ? {} : { description_ko: descriptionKo }),
    ...{ status, is_available: status === 'available', reason },
    ...{ missing_keys: missingKeys, missing_packages: missingParts },
    ...{ intent_types: [...intents], priority, effect },
    approval: typeof approval === 'function' ? 'depends' : approval,
    is_streaming: streams,
    ...schemasOf(row),
  };
}
