/**
 * Sends what the clients of providers have built: with the HTTP client that is inside Node's fetch, without what the web
 * standard puts around it, which costs a process at rest 0.4 ms a call. Nor does it end a silence: the caller keeps the
 * deadlines, and fetch gives up after five minutes whatever they are.
 */
import { pipeline, type Readable, Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { Agent, type Dispatcher, interceptors, request } from 'undici';

/** `body` is to be read to its end or destroyed. */
export type Answer = { ok: boolean; status: number; headers: Headers; body: Readable };

/** None: the caller keeps them. */
export const DEADLINES = { headersTimeout: 0, bodyTimeout: 0 };

// Like fetch it goes where it is sent on to, and gives a key to no other host than its own.
const dispatcher = new Agent({ ...DEADLINES, allowH2: false }).compose(
  interceptors.redirect({ maxRedirections: 20, throwOnMaxRedirect: true }),
);

/** As many as fetch takes; each may make a thousand bytes of one. */
const MAX_ENCODINGS = 5;

/** What has arrived is given out at once, and an end that is missing is no error: the events say whether they are whole. */
const zlib = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
/** The common one; the checksum that it promises for the end may be missing too. */
const ZLIB_HEADER = Buffer.of(0x78, 0x9c);
const brotli = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };
const zstd = {
  flush: constants.ZSTD_e_flush,
  finishFlush: constants.ZSTD_e_flush,
  // The 8 MB that RFC 9659 allows.
  params: { [constants.ZSTD_d_windowLogMax]: 23 },
};

/** Deflate is to come with zlib's header, but some servers leave it out: the first byte tells. */
function zlibHeader(): Transform {
  let begun = false;
  return new Transform({
    transform(bytes: Buffer, _, done) {
      const isHeadless = !begun && ((bytes[0] ?? 0) & 0x0f) !== 8;
      begun = true;
      done(null, isHeadless ? Buffer.concat([ZLIB_HEADER, bytes]) : bytes);
    },
  });
}

/** What a body goes through for each encoding. */
const decoders = new Map([
  ['gzip', [() => createGunzip(zlib)]],
  ['x-gzip', [() => createGunzip(zlib)]],
  ['deflate', [zlibHeader, () => createInflate(zlib)]],
  ['br', [() => createBrotliDecompress(brotli)]],
  ['zstd', [() => createZstdDecompress(zstd)]],
  ['identity', []],
]);

/**
 * A body without its encodings, which are named in the order they were put on. None is asked for, but there are servers that
 * encode all they send. If one is unknown, or they are too many, it stays as it is.
 */
function decoded(body: Readable, encodings: string | null): Readable {
  if (!encodings) return body;
  const steps = encodings.split(',').map((encoding) => decoders.get(encoding.trim().toLowerCase()));
  if (steps.length > MAX_ENCODINGS || steps.includes(undefined)) return body;
  const streams = steps.reverse().flatMap((creates) => (creates ?? []).map((create) => create()));
  return streams.reduce<Readable>((rest, stream) => pipeline(rest, stream, () => undefined), body);
}

function headersOf(received: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) if (value !== undefined) headers.set(name, String(value));
  return headers;
}

/**
 * The answer to a request, unless its signal aborts first. `request` hears no abort while it connects, which may take ten
 * seconds, at any address it is sent on to; it sends nothing afterwards.
 */
async function answerTo(
  sent: Promise<Dispatcher.ResponseData>,
  signal: AbortSignal | null | undefined,
): Promise<Dispatcher.ResponseData> {
  if (!signal) return sent;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([sent, aborted.promise]);
  } catch (error) {
    sent.then(
      ({ body }) => body.on('error', () => undefined).destroy(),
      () => undefined,
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Sends a request with a text, or nothing, as its body. Rejects when its signal aborts, and so does its answer's body. */
export async function httpFetch(url: string, init: RequestInit): Promise<Answer> {
  const { signal } = init;
  signal?.throwIfAborted();
  const headers = new Headers(init.headers);
  headers.set('accept-encoding', 'identity');
  const sent = request(url, {
    dispatcher,
    method: (init.method ?? 'GET').toUpperCase() as Dispatcher.HttpMethod,
    headers,
    body: (init.body ?? null) as string | null,
    signal: signal ?? null,
  });
  const received = await answerTo(sent, signal);
  const answered = headersOf(received.headers);
  const body = decoded(received.body, answered.get('content-encoding'));
  // Whoever reads it meets its error; that of one which nobody reads any more is of no matter.
  body.on('error', () => undefined);
  const { statusCode: status } = received;
  return { ok: status >= 200 && status < 300, status, headers: answered, body };
}
