/** Ports to listen on. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

async function listenOnce(port: number, host: string): Promise<number> {
  const server = createServer();
  server.listen({ port, host, exclusive: true });
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

/** Where Linux keeps the range it takes ports from for connections, and for who listens on port 0. */
const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';
const USUAL_RANGE_START = 32_768;
const FIRST = 20_000;
const DRAWS = 1_000;

const rangeStart = () =>
  existsSync(RANGE_FILE) ? Number(readFileSync(RANGE_FILE, 'utf8').split('\t')[0]) : USUAL_RANGE_START;

const given = new Set<number>();

/**
 * A port nobody listens on just now, another one each time. It lies where the system gives none away, so that it stays free
 * until its user comes, and while that one restarts; only another program that draws one too may be faster.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const end = rangeStart();
  for (let draw = 0; end > FIRST && draw < DRAWS; draw++) {
    const port = randomInt(FIRST, end);
    if (given.has(port)) continue;
    given.add(port);
    if ((await cannotListen(port, host)) === undefined) return port;
  }
  return listenOnce(0, host);
}

/** The code of the failure to listen here (such as `EADDRINUSE`), or undefined when it works. */
export async function cannotListen(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  try {
    await listenOnce(port, host);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
