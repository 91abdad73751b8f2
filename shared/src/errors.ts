/**
 * Every error a client can see, in one table: its HTTP status, and whether the queue runs the task again.
 * The same `{code, message}` stands in HTTP answers, in the task and in events.
 */
import { z } from 'zod';

export const errorTable = {
  invalid_request: { status: 400, retry: false, title: 'The request is not valid' },
  unknown_type: { status: 400, retry: false, title: 'There is no such job type' },
  unauthorized: { status: 401, retry: false, title: 'The API key is missing or not valid' },
  forbidden: { status: 403, retry: false, title: 'This is not allowed' },
  not_found: { status: 404, retry: false, title: 'Not found' },
  method_not_allowed: { status: 405, retry: false, title: 'The method is not allowed here' },
  request_timeout: { status: 408, retry: false, title: 'The request arrived too slowly' },
  conflict: { status: 409, retry: false, title: 'The task is not in a state that allows this' },
  gone: { status: 410, retry: false, title: 'The task is past its retention' },
  payload_too_large: { status: 413, retry: false, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, retry: false, title: 'The body must be application/json' },
  idempotency_conflict: { status: 422, retry: false, title: 'The Idempotency-Key was used for another request' },
  fetch_refused: { status: 422, retry: false, title: 'What the URL names is not fetched' },
  provider_not_configured: { status: 422, retry: false, title: 'The model provider is not configured' },
  queue_full: { status: 429, retry: false, title: 'The queue is full' },
  rate_limited: { status: 429, retry: false, title: 'Too many requests' },
  worker_lost: { status: 500, retry: true, title: 'The worker was lost' },
  effect_unknown: { status: 500, retry: false, title: 'Whether something was done is not known' },
  internal: { status: 500, retry: true, title: 'Something went wrong' },
  provider_refused: { status: 502, retry: false, title: 'The model provider refused the request' },
  invalid_output: { status: 502, retry: true, title: 'The model gave an answer that is not valid' },
  fetch_failed: { status: 502, retry: true, title: 'What the URL names could not be fetched' },
  output_too_large: { status: 502, retry: false, title: 'The output is larger than allowed' },
  unavailable: { status: 503, retry: false, title: 'Something this needs is not reachable' },
  provider_busy: { status: 503, retry: true, title: 'The model provider is busy or not reachable' },
  shutting_down: { status: 503, retry: true, title: 'The worker is shutting down' },
  timed_out: { status: 504, retry: true, title: 'The task took too long' },
} as const satisfies Record<string, { status: number; retry: boolean; title: string }>;

export type ErrorCode = keyof typeof errorTable;
export const ErrorCode = z
  .enum(Object.keys(errorTable) as ErrorCode[])
  .meta({ id: 'ErrorCode', description: 'What happened, for programs' });

/** One bad field of a request: its path (`messages[0].role`) and what is wrong with it. */
export const FieldError = z
  .object({
    path: z
      .string()
      .meta({ description: 'Where it is in the request, such as `messages[0].role`; empty for the whole body' }),
    message: z.string().meta({ description: 'What is wrong with it' }),
  })
  .meta({ id: 'FieldError' });
export type FieldError = z.infer<typeof FieldError>;

/** What a client sees of an error. Never a stack, a provider's body or a key. */
export const ErrorView = z
  .object({
    code: ErrorCode,
    message: z.string().meta({ description: 'What happened, for people' }),
  })
  .meta({ id: 'Error' });
export type ErrorView = z.infer<typeof ErrorView>;

/** An error whose cause is known. `message` is shown to clients; `cause` is for the log only. */
export class TaskError extends Error {
  readonly code: ErrorCode;
  /** Milliseconds after which a client or the queue should try again; from the provider's Retry-After when it gave one. */
  readonly retryAfterMs: number | undefined;
  readonly fields: FieldError[] | undefined;
  /** What was asked was not there: it refused, or could not be reached, before it had begun to answer. */
  readonly away: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined; fields?: FieldError[]; away?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'TaskError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.fields = options.fields;
    this.away = options.away ?? false;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get retry(): boolean {
    return errorTable[this.code].retry;
  }

  get view(): ErrorView {
    return { code: this.code, message: this.message };
  }
}

/** Whether an error says that something is away, so that the same may succeed later. */
export const isUnavailable = (error: unknown): error is TaskError =>
  error instanceof TaskError && error.code === 'unavailable';

/** Turns anything thrown into a TaskError. What is unknown becomes `internal`, and its text stays in `cause`. */
export function toTaskError(error: unknown): TaskError {
  if (error instanceof TaskError) return error;
  return new TaskError('internal', 'Something went wrong inside beanline. The log has the details.', { cause: error });
}
