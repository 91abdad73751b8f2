/**
 * The forms of environment variables, and the few variables that every program reads. The other slices of the configuration
 * stand in their rooms, as `variables.ts`.
 */
import { z } from 'zod';

/** A whole number. `min`, `max` and the unit, if it has one, are shown in docs/configuration.md. */
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

export const count = (min: number, max: number, fallback: number) =>
  whole(min, max).default(fallback).meta({ min, max });

export const milliseconds = (min: number, max: number, fallback: number) =>
  whole(min, max).default(fallback).meta({ min, max, unit: 'ms' });

export const bytes = (min: number, max: number, fallback: number) =>
  whole(min, max).default(fallback).meta({ min, max, unit: 'bytes' });

/** The entries of a list with commas. */
export const listed = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

export const MiB = 1024 * 1024;
export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;

/** The variables of one room. One that looks at several of them together ends in a transform. */
export type Slice = z.ZodObject | z.ZodPipe<z.ZodObject, z.ZodTransform<object>>;

/** Zod gives an empty object an index signature, which would take in every name. */
type ValuesOf<One extends Slice> = string extends keyof z.output<One> ? object : z.output<One>;
type AllOf<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** What slices give together. */
export type Joined<Slices extends readonly Slice[]> = AllOf<
  Slices[number] extends infer One ? (One extends Slice ? ValuesOf<One> : never) : never
>;

export const ProgramVariables = z
  .object({
    LOG_LEVEL: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .meta({ description: '`debug`, `info`, `warn`, `error` or `silent`; JSON lines on standard error' }),
    DRAIN_MS: milliseconds(0, 10 * MINUTE, 8_000).meta({
      description: 'how long a stopping program lets tasks and streams end',
    }),
    HEALTH_FILE: z.string().default('').meta({
      description: 'a runner or relay writes this file each second while Redis answers, for health checks',
    }),
  })
  .meta({ title: 'Every program' });
export type ProgramVariables = z.output<typeof ProgramVariables>;
