/** Errors as the API answers them: RFC 9457 problem+json, from the one table of codes. */
import { errorTable, type TaskError, toTaskError } from '@beanline/shared/errors.ts';
import { nanoid } from 'nanoid';
import type { Problem } from '../openapi/answers.ts';

export const newRequestId = () => `req_${nanoid()}`;

/** Codes after which a client's own retry cannot help. */
const NO_RETRY = new Set(['idempotency_conflict', 'conflict']);

export function problemHeaders(error: TaskError): Record<string, string> {
  return {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...(error.retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(error.retryAfterMs / 1_000)) }),
    ...(error.code === 'unauthorized' ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...(NO_RETRY.has(error.code) ? { 'x-should-retry': 'false' } : {}),
  };
}

/** The body of an error answer. Nothing of an unknown error but its code leaves the process. */
export function problemBody(thrown: unknown, requestId: string): { error: TaskError; body: string } {
  const error = toTaskError(thrown);
  const { code, message, status, fields } = error;
  const body = JSON.stringify({
    type: `https://beanline.dev/errors/${code}`,
    title: errorTable[code].title,
    status,
    code,
    detail: message,
    ...(fields ? { errors: fields } : {}),
    request_id: requestId,
  } satisfies Problem);
  return { error, body };
}
