/** Ports to listen on. */
import { once } from 'node:events';
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

/** A port nobody listens on just now. Somebody else may take it before its user does, who then asks again. */
export function freePort(host = '127.0.0.1'): Promise<number> {
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
