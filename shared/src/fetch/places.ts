/** Which addresses may be connected to for a URL that a client has named: public ones, and what the operator allows. */
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A host, at one port or at every port that is fetched from; or a network. */
export type AllowedPlace = { host: string; port: number | undefined } | { network: [Address, number] };

const HOST = /^(?<host>[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*|\[[\da-f:.]+\])(?::(?<port>\d{1,5}))?$/iu;

/** A host as it stands in a URL: names in ASCII and lower case, addresses in their one spelling. */
const hostOf = (text: string) => URL.parse(`http://${text}`)?.hostname;

/** An entry of FETCH_ALLOW; undefined when it is none. */
export function allowedPlace(entry: string): AllowedPlace | undefined {
  if (ipaddr.isValidCIDR(entry)) return { network: ipaddr.parseCIDR(entry) };
  const bare = ipaddr.IPv6.isValid(entry) ? `[${entry}]` : entry;
  const { host, port } = HOST.exec(bare)?.groups ?? {};
  const name = host && hostOf(host);
  if (!name || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return undefined;
  return { host: name, port: port === undefined ? undefined : Number(port) };
}

/** Where the clouds serve the secrets of a machine at an address that is public by its number. */
const METADATA = new Set(['168.63.129.16']);
/** All that is public of IPv6. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number];
/** Of these each holds an address of IPv4: on a network of IPv6 alone the whole of IPv4 is there. */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96') as [ipaddr.IPv6, number];

/** An address of IPv6 that stands for one of IPv4 as the latter. */
function unmapped(text: string): Address {
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv6 && address.match(NAT64)) {
    return new ipaddr.IPv4(address.toByteArray().slice(-4));
  }
  return address;
}

/** What listens on all addresses of this machine is there for its network, not for whoever names a URL. */
const ownAddresses = () => Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));

/** Whether an address is one that everybody reaches. */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv6 && !address.match(GLOBAL_IPV6)) return false;
  return !METADATA.has(address.toNormalizedString());
}

/** Decides what may be connected to. `host`: of the URL, as URL gives it. */
export type Places = {
  /** Whether the port may be connected to at this host at all. */
  hasPort(host: string, port: number): boolean;
  /** Whether the operator named this very host: then its addresses are not looked at. */
  isNamed(host: string, port: number): boolean;
  isOpen(address: string): boolean;
};

/** `own`: the addresses of this machine. */
export function createPlaces(
  allowed: readonly AllowedPlace[],
  ports: ReadonlySet<number>,
  own: () => string[] = ownAddresses,
): Places {
  const named = (host: string) => allowed.filter((place) => 'host' in place && place.host === host);
  const networks = allowed.flatMap((place) => ('network' in place ? [place.network] : []));
  const isNamed = (host: string, port: number) =>
    named(host).some(
      (place) => 'host' in place && (place.port === port || (place.port === undefined && ports.has(port))),
    );
  return {
    hasPort: (host, port) => ports.has(port) || isNamed(host, port),
    isNamed,
    isOpen(text) {
      if (!ipaddr.isValid(text)) return false;
      const address = unmapped(text);
      const isIn = ([network, bits]: [Address, number]) =>
        network.kind() === address.kind() && address.match(network, bits);
      const isOwn = () =>
        own().some((one) => ipaddr.process(one).toNormalizedString() === address.toNormalizedString());
      return networks.some(isIn) || (isPublic(address) && !isOwn());
    },
  };
}
