/** Request bodies: bounded, JSON only, and errors that name the field. */
import type { IncomingMessage } from 'node:http';
import { type FieldError, TaskError } from '@beanline/shared/errors.ts';
import type { z } from 'zod';

function tooLarge(maxBytes: number) {
  return new TaskError('payload_too_large', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`);
}

/** The parsed JSON body. Throws 413 as soon as it is too large, 415 for another media type, 400 for broken JSON. */
export async function readJson(incoming: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = (incoming.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !type.endsWith('+json')) {
    throw new TaskError('unsupported_media_type', 'The Content-Type must be application/json.');
  }
  const declared = Number(incoming.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw invalid([{ path: '', message: text === '' ? 'the body is empty' : 'the body is not valid JSON' }]);
  }
}

/** A 400 that names every bad field. */
export function invalid(fields: FieldError[]): TaskError {
  const detail = fields.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return new TaskError('invalid_request', `The request is not valid: ${detail}`, { fields });
}

const pathText = (path: readonly PropertyKey[]) =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`)).join('');

/** Zod's issues as fields, under `prefix`; unknown keys are named one by one. */
export function fieldErrors(error: z.ZodError, prefix: PropertyKey[] = []): FieldError[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: pathText([...prefix, ...issue.path, key]), message: 'unknown field' }));
    }
    return [{ path: pathText([...prefix, ...issue.path]), message: issue.message }];
  });
}
