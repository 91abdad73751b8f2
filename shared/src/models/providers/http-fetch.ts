/**
 * Sends what the clients of providers have built: with the HTTP client that is inside Node's fetch, without what the web
 * standard puts around it, which costs a process at rest 0.4 ms a call. Nor does it end a silence: the caller keeps the
 * deadlines, and fetch gives up after five minutes whatever they are.
 */
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, EnvHttpProxyAgent, interceptors, request } from 'undici';
import { isLoopback } from '../../loopback.ts';
import type { ProxyVariables } from '../proxies.ts';

/** `body` is to be read to its end or destroyed. */
export type Answer = { ok: boolean; status: number; headers: Headers; body: Readable };

/** Sends a request with a text, or nothing, as its body. Rejects when its signal aborts, and so does its answer's body. */
export type HttpFetch = (url: string, init: RequestInit) => Promise<Answer>;

/** None: the caller keeps them. */
export const DEADLINES = { headersTimeout: 0, bodyTimeout: 0 };
/** A server to which no connection comes about in this time is away. */
const CONNECT_MS = 3_000;

const MAX_REDIRECTIONS = 20;
const REDIRECTIONS = new Set([301, 302, 307, 308]);

/** undici decodes with what it calls experimental, and says so on standard error each time it is started. */
function decompress(): Dispatcher.DispatcherComposeInterceptor {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return interceptors.decompress();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** By the proxies, and past them to what listens on this machine: a proxy's loopback is another machine. */
function connections({ HTTP_PROXY = '', HTTPS_PROXY = '', NO_PROXY = '' }: Partial<ProxyVariables>): Dispatcher {
  const options = { ...DEADLINES, connectTimeout: CONNECT_MS, allowH2: false };
  const direct = new Agent(options);
  if (!HTTP_PROXY && !HTTPS_PROXY) return direct;
  // What is empty is not looked up in the environment.
  const proxies = { httpProxy: HTTP_PROXY, httpsProxy: HTTPS_PROXY, noProxy: NO_PROXY };
  return new EnvHttpProxyAgent({ ...options, ...proxies }).compose((proxied) => (sent, handler) => {
    const host = new URL(String(sent.origin)).hostname.replace(/^\[(.*)\]$/, '$1');
    return isLoopback(host) ? direct.dispatch(sent, handler) : proxied(sent, handler);
  });
}

function headersOf(received: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) if (value !== undefined) headers.set(name, String(value));
  return headers;
}

/**
 * The answer to a request, unless its signal aborts first. `request` hears no abort while it connects, which may take
 * `CONNECT_MS`; it sends nothing afterwards.
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

type Request = { method: Dispatcher.HttpMethod; headers: Headers; body: string | null; signal: AbortSignal | null };

/**
 * Where an answer sends a request on to: another address of its host, but never from https to http. Undefined where it does
 * not, or may not.
 */
function nextAddress(url: URL, { statusCode, headers }: Dispatcher.ResponseData, method: string): URL | undefined {
  if (!REDIRECTIONS.has(statusCode) && !(statusCode === 303 && method === 'GET')) return undefined;
  const next = typeof headers.location === 'string' ? URL.parse(headers.location, url.href) : null;
  if (!next || next.hostname !== url.hostname || !/^https?:$/.test(next.protocol)) return undefined;
  return url.protocol === 'https:' && next.protocol === 'http:' ? undefined : next;
}

/** A key goes to the server it was given for, or to the same one by TLS. */
const mayHaveKey = (from: URL, to: URL) =>
  from.origin === to.origin || (from.port === '' && to.port === '' && to.protocol === 'https:');

/** What sends requests, by the proxies of a configuration. */
export function createHttpFetch(proxies: Partial<ProxyVariables> = {}): HttpFetch {
  // Nobody asks for encoded answers, but there are servers that encode all they send.
  const dispatcher = connections(proxies).compose(decompress());

  /** A request goes where it is sent on to as it is, its method too: what answers it is the model. */
  async function follow(address: string, { method, headers, body, signal }: Request): Promise<Dispatcher.ResponseData> {
    const visited = new Set<string>();
    for (let url = new URL(address); ; ) {
      visited.add(url.href);
      const received = await answerTo(request(url, { dispatcher, method, headers, body, signal }), signal);
      // Whoever reads it meets its error; that of one which nobody reads any more is of no matter.
      received.body.on('error', () => undefined);
      const next = nextAddress(url, received, method);
      if (!next) return received;
      received.body.dump().catch(() => undefined);
      if (visited.has(next.href) || visited.size > MAX_REDIRECTIONS) throw new Error('it sends its calls in a circle');
      if (!mayHaveKey(url, next)) headers.delete('authorization');
      url = next;
    }
  }

  return async (url, init) => {
    const { signal } = init;
    signal?.throwIfAborted();
    const headers = new Headers(init.headers);
    headers.set('accept-encoding', 'identity');
    const method = (init.method ?? 'GET').toUpperCase() as Dispatcher.HttpMethod;
    const body = (init.body ?? null) as string | null;
    const received = await follow(url, { method, headers, body, signal: signal ?? null });
    const { statusCode: status } = received;
    return { ok: status >= 200 && status < 300, status, headers: headersOf(received.headers), body: received.body };
  };
}
