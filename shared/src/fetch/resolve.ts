/**
 * The addresses of a name. Those of strangers are asked for past getaddrinfo: a name server that never answers would hold one of
 * the four threads on which this process reads files too.
 */
import { lookup, Resolver } from 'node:dns/promises';

/** Rejects when there are none. A name that the operator allows may stand in the machine's own list of hosts. */
export type Resolve = (host: string, options: { isNamed: boolean; signal: AbortSignal }) => Promise<string[]>;

const TRY_MS = 3_000;
const TRIES = 2;

export const resolveName: Resolve = async (host, { isNamed, signal }) => {
  if (isNamed) return (await lookup(host, { all: true })).map(({ address }) => address);
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel);
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};
