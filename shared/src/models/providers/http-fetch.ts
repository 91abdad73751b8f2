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
  const options = { ...DEADLINES, allowH2: false };
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

/** What sends requests, by the proxies of a configuration. */
export function createHttpFetch(proxies: Partial<ProxyVariables> = {}): HttpFetch {
  const dispatcher = connections(proxies).compose(
    // Nobody asks for encoded answers, but there are servers that encode all they send.
    decompress(),
    // Like fetch it goes where it is sent on to, and gives a key to no other host than its own.
    interceptors.redirect({ maxRedirections: 20, throwOnMaxRedirect: true }),
  );
  return async (url, init) => {
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
    const { statusCode: status, headers: received, body } = await answerTo(sent, signal);
    // Whoever reads it meets its error; that of one which nobody reads any more is of no matter.
    body.on('error', () => undefined);
    return { ok: status >= 200 && status < 300, status, headers: headersOf(received), body };
  };
}
