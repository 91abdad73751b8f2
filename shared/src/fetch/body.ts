/** Reads an answer's body, unpacked, up to a number of bytes. */
import { type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { FetchError } from './fetch-error.ts';

/** The window that every sender of zstd over HTTP keeps to (RFC 9659): a larger one is memory that the sender decides on. */
const ZSTD_WINDOW_LOG = 23;
const MAX_ENCODINGS = 2;

const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } }),
};

/** What this reads, for the header of a request. */
export const ENCODINGS = 'gzip, deflate, br, zstd';

/** The last encoding that was applied is the first to be undone. */
function decodersOf(header: string): Transform[] {
  const names = header
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_ENCODINGS) throw new FetchError('encoding', 'The answer is packed too often.');
  return names.reverse().map((name) => {
    const make = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
    if (!make) throw new FetchError('encoding', 'The answer is packed in a way that is not read here.');
    return make();
  });
}

/** Lets so many bytes pass, then fails. */
function atMost(maxBytes: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      total += chunk.length;
      if (total <= maxBytes) done(null, chunk);
      else done(new FetchError('size', `The answer is larger than ${maxBytes} bytes.`));
    },
  });
}

/** Throws a FetchError when there are more bytes, packed or unpacked, or when they are not packed as it says. */
export async function readBody(
  body: Readable,
  { encoding, maxBytes, signal }: { encoding: string; maxBytes: number; signal: AbortSignal },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const kept = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const decoders = decodersOf(encoding);
  const isOfDecoder = (error: unknown) => decoders.some(({ errored }) => errored === error);
  try {
    await pipeline([body, atMost(maxBytes), ...decoders, atMost(maxBytes), kept], { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof FetchError) throw error;
    if (isOfDecoder(error)) throw new FetchError('encoding', 'The answer is not packed as it says.', error);
    throw error;
  }
  return Buffer.concat(chunks);
}
