/**
 * The addresses of a name. Those of strangers are asked for past getaddrinfo: a name server that never answers would hold one of
 * the four threads on which this process reads files too.
 */
import { lookup, Resolver } from 'node:dns/promises';

/**
 * None when there are none; rejects when nobody could be asked. A name that the operator allows may stand in the machine's own list
 * of hosts.
 */
export type Resolve = (host: string, options: { isNamed: boolean; signal: AbortSignal }) => Promise<string[]>;

const TRY_MS = 3_000;
const TRIES = 2;
/** How a name server, or the machine, says that there is no such name, or that it has no address. */
const NONE = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EFORMERR', 'EAI_NODATA', 'EAI_NONAME']);

async function orNone(asked: Promise<string[]>): Promise<string[]> {
  try {
    return await asked;
  } catch (error) {
    if (NONE.has(String((error as NodeJS.ErrnoException).code))) return [];
    throw error;
  }
}

/** `servers`: the name servers that are asked, `address` or `address:port`; without any those of the machine. */
export const createResolve =
  (servers: readonly string[]): Resolve =>
  async (host, { isNamed, signal }) => {
    if (isNamed) return orNone(lookup(host, { all: true }).then((all) => all.map(({ address }) => address)));
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
    if (servers.length > 0) resolver.setServers(servers);
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel);
    try {
      const answers = await Promise.allSettled([orNone(resolver.resolve4(host)), orNone(resolver.resolve6(host))]);
      const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      const failed = answers.find((answer) => answer.status === 'rejected');
      if (found.length === 0 && failed) throw failed.reason;
      return found;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
