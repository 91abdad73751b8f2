/**
 * Connects to what may be connected to, and to nothing else. A name is resolved once, when it is connected to, and it is the
 * addresses that were looked at then which are connected to: a name that means something else a moment later means nothing.
 */
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { FetchError } from './fetch-error.ts';
import type { Places } from './places.ts';
import type { Resolve } from './resolve.ts';

/** Also of a name that is not there: whoever asks learns nothing of the names that are private. */
const notPublic = (host: string) =>
  new FetchError('address', `${host} has no public address that could be fetched from.`);

type Target = { host: string; port: number };

/** `host` of a URL, as an address or a name. */
const bareHost = (host: string) => host.replace(/^\[(.*)\]$/, '$1');

/** Throws a FetchError where a URL leads to a port, or by its very spelling to an address, that is not open. */
export function refuseClosed({ host, port }: Target, places: Places): void {
  if (!places.hasPort(host, port)) throw new FetchError('port', `Port ${port} is not fetched from.`);
  if (isIP(bareHost(host)) !== 0 && !places.isNamed(host, port) && !places.isOpen(bareHost(host)))
    throw notPublic(host);
}

/** undici's connector to one target. */
export function guardedConnector(
  { host, port }: Target,
  { places, resolve, signal }: { places: Places; resolve: Resolve; signal: AbortSignal },
): buildConnector.connector {
  const isNamed = places.isNamed(host, port);
  const isOpen = (address: string) => isNamed || places.isOpen(address);

  const lookup: LookupFunction = (name, { all }, answer) => {
    resolve(name, { isNamed, signal }).then(
      (addresses) => {
        const open = addresses.filter(isOpen).map((address) => ({ address, family: isIP(address) }));
        const [first] = open;
        if (!first) answer(notPublic(host), '');
        else if (all) answer(null, open);
        else answer(null, first.address, first.family);
      },
      (error: unknown) => answer(new FetchError('connection', `${host} could not be looked up.`, error), ''),
    );
  };
  // Sessions of TLS are not kept: they are resumed by name.
  const connect = buildConnector({ lookup, timeout: 0, allowH2: false, maxCachedSessions: 0, autoSelectFamily: true });
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (!socket || isOpen(socket.remoteAddress ?? ''))
        return callback(...([error, socket] as Parameters<typeof callback>));
      socket.destroy();
      callback(notPublic(host), null);
    });
}
