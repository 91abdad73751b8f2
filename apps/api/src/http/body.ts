/** Request bodies: bounded, JSON only, and errors that name the field. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type FieldError, TaskError } from '@beanline/shared/errors.ts';
import type { z } from 'zod';
import type { HttpVariables } from './variables.ts';

/** Deeper ones, or more values, are attacks: parsing and checking such a body would hold up every other request. */
type BodyLimits = Pick<HttpVariables, 'MAX_BODY_BYTES' | 'MAX_BODY_DEPTH' | 'MAX_BODY_VALUES'>;

/** How many bad fields one answer names, and how much of each name. */
const MAX_NAMED = 100;
const MAX_NAME_LENGTH = 200;

const BYTE = {
  quote: 34,
  comma: 44,
  openArray: 91,
  backslash: 92,
  closeArray: 93,
  openObject: 123,
  closeObject: 125,
};

/** Why a body is too much to parse, or null: one pass over the bytes. */
function excess(json: Buffer, { MAX_BODY_DEPTH, MAX_BODY_VALUES }: BodyLimits): string | null {
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (byte === BYTE.quote) quoted = !quoted;
    else if (quoted) i += byte === BYTE.backslash ? 1 : 0;
    else if (byte === BYTE.comma) values++;
    else if (byte === BYTE.openArray || byte === BYTE.openObject) {
      depth++;
      values++;
    } else if (byte === BYTE.closeArray || byte === BYTE.closeObject) depth--;
    if (depth > MAX_BODY_DEPTH) return `the body is nested deeper than ${MAX_BODY_DEPTH} levels`;
  }
  return values > MAX_BODY_VALUES ? `the body has more than ${MAX_BODY_VALUES} values` : null;
}

function tooLarge(maxBytes: number) {
  return new TaskError('payload_too_large', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`);
}

/** The parsed JSON body. Throws 413 as soon as it is too large, 415 for another media type, 400 for broken JSON. */
export async function readJson(incoming: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const maxBytes = limits.MAX_BODY_BYTES;
  const type = (incoming.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !type.endsWith('+json')) {
    throw new TaskError('unsupported_media_type', 'The Content-Type must be application/json.');
  }
  const declared = Number(incoming.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  const body = await readBytes(incoming, maxBytes);
  if (body.length === 0) throw invalid([{ path: '', message: 'the body is empty' }]);
  if (!isUtf8(body)) throw invalid([{ path: '', message: 'the body is not valid UTF-8' }]);
  const tooMuch = excess(body, limits);
  if (tooMuch) throw invalid([{ path: '', message: tooMuch }]);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw invalid([{ path: '', message: 'the body is not valid JSON' }]);
  }
}

/** The same, or undefined when there is no body at all. */
export async function readJsonIfAny(incoming: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  const isNone = encoding === undefined && (length === undefined || Number(length) === 0);
  return isNone ? undefined : readJson(incoming, limits);
}

function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    // The client left, or was too slow and is being told so: nobody reads this answer.
    const broke = (cause?: Error) =>
      reject(new TaskError('request_timeout', 'The connection ended before the body did.', { cause }));
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) return void chunks.push(chunk);
      // The rest is read and dropped.
      incoming.off('data', take);
      chunks.length = 0;
      reject(tooLarge(maxBytes));
    };
    incoming.on('data', take);
    incoming.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    incoming.on('error', broke);
    incoming.on('close', () => {
      if (!incoming.complete) broke();
    });
  });
}

/** A 400 that names every bad field, as far as an answer of sane size can. */
export function invalid(fields: FieldError[]): TaskError {
  const named = fields
    .slice(0, MAX_NAMED)
    .map(({ path, message }) => ({ path: path.slice(0, MAX_NAME_LENGTH), message }));
  const detail = named.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  const more = fields.length > MAX_NAMED ? '; and more' : '';
  return new TaskError('invalid_request', `The request is not valid: ${detail}${more}`, { fields: named });
}

const pathText = (path: readonly PropertyKey[]) =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`)).join('');

type Issue = z.core.$ZodIssue;

/** Zod's issues as fields, under `prefix`; unknown keys are named one by one, and the bad field inside a union's value. */
export function fieldErrors(error: { issues: readonly Issue[] }, prefix: PropertyKey[] = []): FieldError[] {
  return error.issues.slice(0, MAX_NAMED + 1).flatMap((issue): FieldError[] => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .slice(0, MAX_NAMED + 1)
        .map((key) => ({ path: pathText([...path, key]), message: 'unknown field' }));
    }
    const inner = issue.code === 'invalid_union' ? issue.errors.find(isInside) : undefined;
    if (inner) return fieldErrors({ issues: inner }, path);
    return [{ path: pathText(path), message: issue.message }];
  });
}

/** The value had this alternative's shape; what is wrong lies within. */
const isInside = (issues: readonly Issue[]) => issues.every(({ path }) => path.length > 0);

/** The value as the schema has it. Throws a 400 that names every bad field. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw invalid(fieldErrors(parsed.error));
  return parsed.data;
}
