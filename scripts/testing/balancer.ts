/**
 * A load balancer as operators run them: round-robin over the APIs that `/readyz` calls ready (over all when none is), one
 * connection per request, and the next API when one refuses the connection or answers 503, which means that nothing was
 * accepted. When all have, it goes around again, a few times, when they say.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { bodyOf } from './upstream.ts';

const HEALTH_MS = 100;
const ROUNDS = 5;
const ROUND_MS = 200;

export async function startBalancer(ports: number[]) {
  const ready = new Map(ports.map((port) => [port, true]));
  let turn = 0;
  const passedOn: string[] = [];

  let stopped = false;
  /** One after the other: of two that overlap, the older answer might be the last. */
  async function watch(port: number) {
    while (!stopped) {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(
        () => null,
      );
      await answer?.body?.cancel();
      ready.set(port, answer?.ok ?? false);
      await delay(HEALTH_MS);
    }
  }
  const watches = ports.map(watch);

  /** The APIs to ask, beginning with another one each time. */
  function order(): number[] {
    turn = (turn + 1) % ports.length;
    const turned = [...ports.slice(turn), ...ports.slice(0, turn)];
    const able = turned.filter((port) => ready.get(port));
    return able.length > 0 ? able : turned;
  }

  const firstOf = (round: number) => ({ round, left: order(), waitMs: ROUND_MS });
  function pass(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: string,
    { round, left, waitMs }: { round: number; left: number[]; waitMs: number },
  ) {
    const { method, url, headers } = incoming;
    const [port, ...others] = left;
    const next = (why: string, retryAfterMs = 0) => {
      passedOn.push(`${method} ${url?.split('/')[1]}: ${why}`);
      const longestMs = Math.max(waitMs, retryAfterMs);
      if (others.length > 0) pass(incoming, outgoing, body, { round, left: others, waitMs: longestMs });
      else setTimeout(() => pass(incoming, outgoing, body, firstOf(round + 1)), longestMs);
    };
    const last = round >= ROUNDS && others.length === 0;
    const forward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      if (answer.statusCode === 503 && !last) {
        answer.resume();
        return next('503', Number(answer.headers['retry-after'] ?? 0) * 1_000);
      }
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: 'close' });
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    outgoing.on('close', () => forward.destroy());
    forward.on('error', (error: NodeJS.ErrnoException) => {
      if (outgoing.headersSent || outgoing.destroyed) return outgoing.destroy();
      if (error.code === 'ECONNREFUSED' && !last) return next('refused');
      outgoing.writeHead(502, { connection: 'close' }).end(String(error));
    });
    forward.end(body);
  }

  const server = createServer(async (incoming, outgoing) => {
    const body = await bodyOf(incoming);
    if (body !== undefined) pass(incoming, outgoing, body, firstOf(1));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** True while it takes this API for ready. */
    ready: (port: number) => ready.get(port) ?? false,
    /** Requests for which an API had to be asked again, and why. */
    passedOn,
    async stop() {
      stopped = true;
      await Promise.all(watches);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
