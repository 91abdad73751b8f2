/** How far a URL that a client names may lead. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { bytes, count, listed, MiB, milliseconds } from '../variable.ts';
import { type AllowedPlace, allowedPlace } from './places.ts';

const ports = z
  .string()
  .default('80,443')
  .transform((text, context) => {
    const numbers = listed(text).map(Number);
    if (numbers.length > 0 && numbers.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535))
      return new Set(numbers);
    context.addIssue({ code: 'custom', message: 'must be ports with commas between, such as 80,443' });
    return z.NEVER;
  });

const places = z
  .string()
  .default('')
  .transform((text, context) =>
    listed(text).flatMap((entry): AllowedPlace[] => {
      const place = allowedPlace(entry);
      if (place) return [place];
      context.addIssue({
        code: 'custom',
        message: `"${entry}" is no host, host:port, address or network such as 10.1.0.0/16`,
      });
      return [];
    }),
  );

const nameServers = z
  .string()
  .default('')
  .transform((text, context) => {
    const servers = listed(text);
    if (servers.every((server) => isIP(server.replace(/^\[(.*)\](:\d+)?$|^([^:]*):\d+$/, '$1$3')) !== 0))
      return servers;
    context.addIssue({ code: 'custom', message: 'must be addresses with commas between, each with or without a port' });
    return z.NEVER;
  });

const about = `
URLs that clients and models name are fetched past everything that is not public: private, local and special addresses of IPv4
and IPv6, the addresses of this machine, and metadata services are refused, whatever a name resolves to when it is connected to.
The proxies above do not count here: a proxy resolves names by itself, so nobody would know what it connects to.`;

export const FetchVariables = z
  .object({
    FETCH_ALLOW: places.meta({
      description:
        'places that are fetched although they are not public: `wiki.internal:8080,10.1.0.0/16`. A host with a port may be reached at this port, one without at those of `FETCH_PORTS`',
    }),
    FETCH_NAME_SERVERS: nameServers.meta({
      description: 'the name servers that are asked, such as `9.9.9.9,149.112.112.112:53`; unset, those of the machine',
    }),
    FETCH_PORTS: ports.meta({ description: 'the ports that are connected to' }),
    FETCH_TIMEOUT_MS: milliseconds(100, 300_000, 20_000).meta({
      description: 'how long one fetch may take, redirections and its body included',
    }),
    FETCH_MAX_BYTES: bytes(1_000, 256 * MiB, 2 * MiB).meta({
      description: 'how large an answer may be, as it is sent and as it is unpacked',
    }),
    FETCH_CONCURRENCY: count(1, 1_000, 20).meta({
      description: 'fetches under way at once in one runner; further ones wait',
    }),
  })
  .meta({ title: 'Fetching', description: about });
export type FetchVariables = z.output<typeof FetchVariables>;
