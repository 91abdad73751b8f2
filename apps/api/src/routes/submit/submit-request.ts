/** What a submit asks for: the options beside the input, and the headers, checked and with every bad field named. */
import type { FieldError } from '@beanline/shared/errors.ts';
import type { JobType } from '@beanline/shared/job-type.ts';
import { OnBusy } from '@beanline/shared/lines/place.ts';
import type { SubmitRequest } from '@beanline/shared/tasks/submit-task.ts';
import { z } from 'zod';
import { collectProblems, invalid, type Problems } from '../../http/bad-fields.ts';
import { time } from '../../http/time.ts';

const DAY_MS = 86_400_000;
const MAX_AHEAD_MS = 30 * DAY_MS;
const HEAD_START = { high: 600, normal: 0, low: -600 } as const;

const Pairs = z.record(z.string().min(1).max(64), z.string().max(512));
const MAX_PAIRS = 16;
const later = (message: string) =>
  z
    .unknown()
    .optional()
    .refine((value) => value === undefined, message);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const Options = z.strictObject({
  priority: z
    .union(
      [z.enum(['high', 'normal', 'low']), z.number().min(-3600).max(3600)],
      'must be high, normal, low or seconds from -3600 to 3600',
    )
    .transform((value) => (typeof value === 'number' ? Math.round(value / 60) * 60 : HEAD_START[value]))
    .default(0)
    .meta({
      description:
        'How early its turn comes: `high` (10 min head start), `normal`, `low` (10 min behind), or seconds of head start',
    }),
  delay_ms: z
    .int()
    .min(0)
    .max(MAX_AHEAD_MS)
    .optional()
    .meta({ description: 'Starts so many milliseconds later; not together with `run_at`' }),
  run_at: time().optional().meta({
    description: 'Starts at this time, at most 30 days ahead; not together with `delay_ms`',
  }),
  start_by: time().optional().meta({
    description: 'Expires, unbilled, if it has not started by this time, which must be later than when it may start',
  }),
  timeout_ms: z
    .int()
    .min(100)
    .max(DAY_MS)
    .optional()
    .meta({ description: 'How long one attempt may take, in milliseconds; default: that of the job type' }),
  max_attempts: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'How often it may fail before it stays failed; default: that of the job type' }),
  patience_ms: z.int().min(0).max(DAY_MS).optional().meta({
    description:
      'How long it waits for a model server that is away, in milliseconds, without spending a failure; 0: not at all. Default: PROVIDER_PATIENCE_MS',
  }),
  on_busy: OnBusy.optional(),
  metadata: z
    .unknown()
    // Before they are looked at one by one.
    .refine(
      (pairs) => !isObject(pairs) || Object.keys(pairs).length <= MAX_PAIRS,
      `must have at most ${MAX_PAIRS} pairs`,
    )
    // A record schema would drop this name silently.
    .refine((pairs) => !isObject(pairs) || !Object.hasOwn(pairs, '__proto__'), {
      path: ['__proto__'],
      message: 'is not allowed as a name',
    })
    .pipe(Pairs)
    .default({})
    .meta({
      description: 'Pairs of your own, which the task bears and nothing reads',
      override: ({ jsonSchema }) => Object.assign(jsonSchema, z.toJSONSchema(Pairs), { maxProperties: MAX_PAIRS }),
    }),
  webhook: later('webhooks are not available yet'),
});
const optionNames = new Set(Object.keys(Options.shape));

/** Up to 16 pairs of strings of the client's own. */
export const Metadata = Options.shape.metadata;

/** The options there are, for the document. */
export const SubmitOptions = Options.omit({ webhook: true });

export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1–255 printable ASCII characters without spaces');

/** The headers of a submit. What they say of an answer's form is in `prefer.ts`. */
export const SubmitHeaders = z.object({
  'Idempotency-Key': IdempotencyKey.optional().meta({
    description: 'The same key and request give the same task; kept 24 h or as long as the task',
  }),
  Prefer: z
    .string()
    .optional()
    .meta({
      description: '`wait=N`: answers 200 with the finished task if it ends within N ≤ 60 s',
      examples: ['wait=30'],
    }),
  traceparent: z.string().optional().meta({ description: 'W3C Trace Context; an invalid one is ignored' }),
});

/** A body, taken apart. `inputPath` leads to the input in it. */
export type BodyParts<Input = unknown> = { rawInput: Input; rawOptions: Record<string, unknown>; inputPath: string[] };

/** Splits the body of a job type's own route: the input's fields and the options stand side by side. */
export function splitBody(body: unknown): BodyParts<Record<string, unknown>> {
  if (!isObject(body)) throw invalid({ path: '', message: 'the body must be a JSON object' });
  const given = Object.entries(body);
  const rawInput = Object.fromEntries(given.filter(([name]) => !optionNames.has(name)));
  const rawOptions = Object.fromEntries(given.filter(([name]) => optionNames.has(name)));
  return { rawInput, rawOptions, inputPath: [] };
}

/** Splits the body of `POST /tasks`: `{type, input, …options}`. */
export function splitTaskBody(body: unknown): BodyParts & { type: string } {
  if (!isObject(body)) throw invalid({ path: '', message: 'the body must be a JSON object' });
  const { type, input, ...rawOptions } = body;
  const missing: FieldError[] = [];
  if (typeof type !== 'string') missing.push({ path: 'type', message: 'must be the name of a job type' });
  if (input === undefined) missing.push({ path: 'input', message: 'is required' });
  if (missing.length > 0) throw invalid(...missing);
  return { type: String(type), rawInput: input, rawOptions, inputPath: ['input'] };
}

/** What other servers take in the body. */
const HINTS = new Map([
  ['stream', 'unknown field: leave it out, and send the header Accept: text/event-stream for a stream of events'],
]);

type Headers = { idempotencyKey: string | undefined; traceparent: string | undefined };

/** The checked request. Throws `invalid_request` with every bad field of input, options and headers at once. */
export function parseSubmit(
  type: JobType,
  { rawInput, rawOptions, inputPath }: BodyParts,
  headers: Headers,
  context: { now: number; owner: string; spread: boolean; requestId: string; taskTimeoutMs: number },
): SubmitRequest {
  const problems = collectProblems(HINTS);
  const input = problems.check(type.input, rawInput, inputPath);
  const options = problems.check(Options, rawOptions);
  const { idempotencyKey, traceparent } = headers;
  problems.check(IdempotencyKey.optional(), idempotencyKey, ['Idempotency-Key']);
  if (options) addTimeProblems(problems, options.data, context.now, idempotencyKey !== undefined);
  if (problems.found() || !input || !options) throw problems.refusal();
  const { delay_ms, run_at, start_by, timeout_ms, max_attempts, patience_ms, on_busy, priority, metadata } =
    options.data;
  return {
    owner: context.owner,
    spread: context.spread,
    type,
    input: JSON.stringify(input.data),
    value: input.data,
    inputPath,
    options: {
      priority,
      metadata,
      runAt: run_at ?? 0,
      delayMs: delay_ms ?? 0,
      startBy: start_by,
      timeoutMs: timeout_ms ?? Math.min(type.timeoutMs, context.taskTimeoutMs),
      maxAttempts: max_attempts ?? type.attempts,
      patienceMs: patience_ms,
    },
    partOptions: { onBusy: on_busy },
    given: options.data,
    idempotencyKey,
    requestId: context.requestId,
    // An invalid traceparent is ignored, as W3C Trace Context asks.
    traceparent:
      traceparent && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent) ? traceparent : undefined,
  };
}

/**
 * `mayBeLate`: with an Idempotency-Key the request may be a replay whose times have passed; a first one with a past
 * `start_by` then expires at once, unbilled.
 */
function addTimeProblems(
  problems: Problems,
  { delay_ms, run_at, start_by }: z.output<typeof Options>,
  now: number,
  mayBeLate: boolean,
): void {
  if (delay_ms !== undefined && run_at !== undefined) {
    problems.add(['run_at'], 'give either delay_ms or run_at, not both');
  }
  if (run_at !== undefined && run_at > now + MAX_AHEAD_MS) {
    problems.add(['run_at'], 'must be at most 30 days ahead');
  }
  const start = Math.max(now, run_at ?? now + (delay_ms ?? 0));
  if (start_by !== undefined && start_by <= start && !(mayBeLate && start_by <= now)) {
    problems.add(['start_by'], 'must be later than the time the task may start');
  }
}
