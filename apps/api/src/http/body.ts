/** Request bodies: bounded, and JSON only. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { TaskError } from '@beanline/shared/errors.ts';
import { invalid } from './bad-fields.ts';
import { type BodyLimits, parseJson } from './json.ts';

function tooLarge(maxBytes: number) {
  return new TaskError('payload_too_large', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`);
}

/** The parsed JSON body. Throws 413 as soon as it is too large, 415 for another media type or an encoded one, 400 for broken JSON. */
export async function readJson(incoming: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const maxBytes = limits.MAX_BODY_BYTES;
  const type = (incoming.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !type.endsWith('+json')) {
    throw new TaskError('unsupported_media_type', 'The Content-Type must be application/json.');
  }
  const encoding = incoming.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity') {
    throw new TaskError('unsupported_media_type', `The body must not be encoded; its Content-Encoding is ${encoding}.`);
  }
  const declared = Number(incoming.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  const body = await readBytes(incoming, maxBytes);
  if (body.length === 0) throw invalid({ path: '', message: 'the body is empty' });
  if (!isUtf8(body)) throw invalid({ path: '', message: 'the body is not valid UTF-8' });
  return parseJson(body, limits);
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
