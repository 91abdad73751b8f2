/** Request bodies: bounded, and JSON only. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { TaskError } from '@beanline/shared/errors.ts';
import { invalid } from './bad-fields.ts';
import type { ApiContext } from './context.ts';
import { parseJson } from './json.ts';
import { COUNTED_BYTES, type Held, SLICE_BYTES } from './memory/byte-budget.ts';
import type { Turns } from './turns/turns.ts';

function tooLarge(maxBytes: number) {
  return new TaskError('payload_too_large', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES).`);
}

/**
 * The parsed JSON body. Throws 413 as soon as it is too large, 415 for another media type or an encoded one, 400 for broken
 * JSON; 429 or 503, before it is read, when too much is under way.
 */
export async function readJson(c: ApiContext): Promise<unknown> {
  const { incoming } = c.env;
  const { config: limits } = c.get('api');
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
  const { turns, heavy } = c.get('api');
  const owner = c.get('owner');
  const body = await readBytes(incoming, maxBytes, takeRoom(c, declared), { owner, turns });
  const parse = () => {
    if (body.length === 0) throw invalid({ path: '', message: 'the body is empty' });
    if (!isUtf8(body)) throw invalid({ path: '', message: 'the body is not valid UTF-8' });
    return parseJson(body, limits);
  };
  return body.length <= SLICE_BYTES ? parse() : heavy.run(owner, parse);
}

/** The same, or undefined when there is no body at all. */
export async function readJsonIfAny(c: ApiContext): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': encoding } = c.env.incoming.headers;
  const isNone = encoding === undefined && (length === undefined || Number(length) === 0);
  return isNone ? undefined : readJson(c);
}

/**
 * Takes room for a body of the declared length, and more with what comes beyond it: a body in chunks declares none. It is given
 * back when the request is answered, or when its task or message is made. Throws when there is no room.
 */
function takeRoom(c: ApiContext, declared: number): (bytes: number) => void {
  const { bodies } = c.get('api');
  const owner = c.get('owner');
  let held: Held | undefined;
  function take(bytes: number) {
    if (bytes <= (held?.bytes() ?? COUNTED_BYTES)) return;
    const own = held?.bytes() ?? 0;
    const passed = bodies.passes(owner, bytes - own, own);
    if (passed !== null) throw noRoom(passed);
    held ??= holdBody(c);
    held.grow(bytes - own);
  }
  take(declared);
  return take;
}

function holdBody(c: ApiContext): Held {
  const held = c.get('api').bodies.hold(c.get('owner'));
  c.set('releaseBody', held.release);
  if (c.env.outgoing.destroyed) held.release();
  else c.env.outgoing.once('close', held.release);
  return held;
}

function noRoom(passed: 'owner' | 'process'): TaskError {
  const retry = { retryAfterMs: 1_000 };
  return passed === 'owner'
    ? new TaskError('rate_limited', 'This owner has too many large request bodies under way at once.', retry)
    : new TaskError('unavailable', 'There are too many large request bodies under way at once.', retry);
}

/** Of a large body one piece is read in a turn. */
function readBytes(
  incoming: IncomingMessage,
  maxBytes: number,
  takeRoom: (bytes: number) => void,
  { owner, turns }: { owner: string; turns: Turns },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    // The client left, or was too slow and is being told so: nobody reads this answer.
    const broke = (cause?: Error) =>
      reject(new TaskError('request_timeout', 'The connection ended before the body did.', { cause }));
    const goOn = () => incoming.resume();
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > COUNTED_BYTES && !incoming.complete) {
        incoming.pause();
        turns(owner, goOn);
      }
      try {
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        takeRoom(bytes);
        chunks.push(chunk);
      } catch (error) {
        incoming.off('data', take);
        chunks.length = 0;
        reject(error);
      }
    };
    incoming.on('data', take);
    incoming.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    incoming.on('error', broke);
    incoming.on('close', () => {
      if (!incoming.complete) broke();
    });
  });
}
