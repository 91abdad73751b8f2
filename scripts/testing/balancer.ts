/**
 * A load balancer as operators run them: round-robin over the APIs that `/readyz` calls ready, one connection per request,
 * and the next API when one refuses the connection or answers 503, which means that nothing was accepted.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const HEALTH_MS = 50;

export async function startBalancer(ports: number[]) {
  const ready = new Map(ports.map((port) => [port, true]));
  let turn = 0;
  let passedOn = 0;

  const checks = ports.map((port) =>
    setInterval(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(
        () => null,
      );
      await answer?.body?.cancel();
      ready.set(port, answer?.ok ?? false);
    }, HEALTH_MS),
  );

  /** All APIs, the ready ones first, beginning with another one each time. */
  function order(): number[] {
    turn = (turn + 1) % ports.length;
    const turned = [...ports.slice(turn), ...ports.slice(0, turn)];
    return [...turned.filter((port) => ready.get(port)), ...turned.filter((port) => !ready.get(port))];
  }

  function pass(incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer, [port, ...others]: number[]) {
    const { method, url, headers } = incoming;
    const forward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      if (answer.statusCode === 503 && others.length > 0) {
        answer.resume();
        passedOn++;
        return pass(incoming, outgoing, body, others);
      }
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: 'close' });
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    outgoing.on('close', () => forward.destroy());
    forward.on('error', (error: NodeJS.ErrnoException) => {
      if (outgoing.headersSent || outgoing.destroyed) return outgoing.destroy();
      if (error.code === 'ECONNREFUSED' && others.length > 0) {
        passedOn++;
        return pass(incoming, outgoing, body, others);
      }
      outgoing.writeHead(502, { connection: 'close' }).end(String(error));
    });
    forward.end(body);
  }

  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    pass(incoming, outgoing, Buffer.concat(chunks), order());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** True while it takes this API for ready. */
    ready: (port: number) => ready.get(port) ?? false,
    /** Requests that another API was asked again for. */
    passedOn: () => passedOn,
    async stop() {
      for (const check of checks) clearInterval(check);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
