/**
 * The one fetch of a URL that a client, or a model, has named. It connects to public places only, and to what FETCH_ALLOW
 * names; where it is sent on to is looked at in the same way. Ports, bytes, time and media types are bounded, and so is what an
 * answer unpacks to. It asks by GET, and sends nothing that would tell who asks: no key, no cookie.
 */
import { Client, type Dispatcher } from 'undici';
import { ENCODINGS, readBody } from './body.ts';
import { guardedConnector, refuseClosed } from './connect.ts';
import { FetchError } from './fetch-error.ts';
import { createPlaces, type Places } from './places.ts';
import { createResolve, type Resolve } from './resolve.ts';
import { createTurns } from './turns.ts';
import type { FetchVariables } from './variables.ts';

/** Bounds of one fetch, beside those of the configuration, of which the smaller counts. */
export type FetchOptions = {
  signal: AbortSignal;
  /** Media types that are wanted: `text/html`, `text/*`. Others are refused before their body is read. */
  types: readonly string[];
  maxBytes?: number;
  timeoutMs?: number;
};

/** An answer, whatever its status, whole. */
export type Fetched = {
  /** Where it was found in the end. */
  url: string;
  status: number;
  /** Its media type in lower case, without parameters. */
  type: string;
  /** As the media type says it; undefined when it does not. */
  charset: string | undefined;
  body: Buffer;
};

/** Throws a FetchError when there is no answer within the bounds, and the signal's reason when that aborts. */
export type GuardedFetch = (url: string, options: FetchOptions) => Promise<Fetched>;

const MAX_URL_LENGTH = 8_000;
const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_HEADER_BYTES = 32_768;
const DEFAULT_PORTS: Record<string, number> = { 'http:': 80, 'https:': 443 };
/** Of an answer that does not say. */
const UNKNOWN_TYPE = 'application/octet-stream';

/** Throws a FetchError unless it is a URL of http or https without a user. */
function parsedUrl(text: string, base?: string): URL {
  const url = text.length > MAX_URL_LENGTH ? null : URL.parse(text, base);
  if (!url || !Object.hasOwn(DEFAULT_PORTS, url.protocol))
    throw new FetchError('url', 'It is no URL that begins with http:// or https://.');
  if (url.username !== '' || url.password !== '')
    throw new FetchError('url', 'A URL with a user or a password in it is not fetched.');
  url.hash = '';
  return url;
}

const targetOf = ({ hostname, port, protocol }: URL) => ({
  host: hostname,
  port: port === '' ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port),
});

const headerOf = ({ headers }: Dispatcher.ResponseData, name: string) => [headers[name] ?? ''].flat().join(', ');

function typeOf(received: Dispatcher.ResponseData): Pick<Fetched, 'type' | 'charset'> {
  const [type = '', ...parameters] = headerOf(received, 'content-type').split(';');
  const charset = /^\s*charset\s*=\s*"?([^\s"]+)/i;
  const [given] = parameters.flatMap((parameter) => charset.exec(parameter)?.[1] ?? []);
  return { type: type.trim().toLowerCase() || UNKNOWN_TYPE, charset: given?.toLowerCase() };
}

const isWanted = (type: string, wanted: readonly string[]) =>
  wanted.some((one) => (one.endsWith('/*') ? type.startsWith(one.slice(0, -1)) : type === one));

/** Rejects as soon as the signal aborts, whatever the work does then. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  work.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

type Bounds = { signal: AbortSignal; types: readonly string[]; maxBytes: number; places: Places; resolve: Resolve };

/** One request: the answer, or where it is sent on to. */
async function ask(url: URL, bounds: Bounds): Promise<Fetched | { next: string }> {
  const { signal, types, maxBytes } = bounds;
  const target = targetOf(url);
  refuseClosed(target, bounds.places);
  // A client of its own, which ends with it: nothing is connected to because it was connected to before.
  const client = new Client(url.origin, {
    connect: guardedConnector(target, bounds),
    allowH2: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const headers = {
      accept: `${types.join(', ')}, */*;q=0.1`,
      'accept-encoding': ENCODINGS,
      'user-agent': 'beanline',
    };
    const path = `${url.pathname}${url.search}`;
    const received = await orAborted(client.request({ method: 'GET', path, headers, signal, reset: true }), signal);
    received.body.on('error', () => undefined);
    const { statusCode: status } = received;
    const next = headerOf(received, 'location');
    if (REDIRECTS.has(status) && next !== '') return { next };
    const { type, charset } = typeOf(received);
    if (!isWanted(type, types))
      throw new FetchError('type', `What is there is of the type ${type}, which is not taken.`);
    if (Number(headerOf(received, 'content-length')) > maxBytes)
      throw new FetchError('size', `The answer is larger than ${maxBytes} bytes.`);
    const encoding = headerOf(received, 'content-encoding');
    return {
      url: url.href,
      status,
      type,
      charset,
      body: await readBody(received.body, { encoding, maxBytes, signal }),
    };
  } finally {
    client.destroy().catch(() => undefined);
  }
}

async function follow(text: string, bounds: Bounds): Promise<Fetched> {
  let url = parsedUrl(text);
  for (let redirects = 0; ; redirects++) {
    const answer = await ask(url, bounds);
    if (!('next' in answer)) return answer;
    if (redirects === MAX_REDIRECTS)
      throw new FetchError('redirects', `It is sent on more than ${MAX_REDIRECTS} times.`);
    url = parsedUrl(answer.next, url.href);
  }
}

/** The fetch of a configuration. `resolve`: how names are resolved. */
export function createGuardedFetch(
  config: FetchVariables,
  resolve: Resolve = createResolve(config.FETCH_NAME_SERVERS),
): GuardedFetch {
  const places = createPlaces(config.FETCH_ALLOW, config.FETCH_PORTS);
  const turns = createTurns(config.FETCH_CONCURRENCY);
  return async (url, { signal: given, types, ...asked }) => {
    given.throwIfAborted();
    const timeoutMs = Math.min(asked.timeoutMs ?? Number.POSITIVE_INFINITY, config.FETCH_TIMEOUT_MS);
    const maxBytes = Math.min(asked.maxBytes ?? Number.POSITIVE_INFINITY, config.FETCH_MAX_BYTES);
    const late = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([given, late]);
    try {
      return await turns.run(() => follow(url, { signal, types, maxBytes, places, resolve }), signal);
    } catch (error) {
      given.throwIfAborted();
      if (late.aborted) throw new FetchError('time', `There was no whole answer within ${timeoutMs} ms.`);
      if (error instanceof FetchError) throw error;
      throw new FetchError('connection', 'There was no answer.', error);
    }
  };
}
