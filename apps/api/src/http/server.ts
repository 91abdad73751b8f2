/** The HTTP server around the application: slow clients answered 408, and a drain that loses no stream. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createActiveSet } from '@beanline/shared/active-set.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { getRequestListener } from '@hono/node-server';
import { createApp } from '../app.ts';
import { createApi } from './context.ts';
import { cutStalled } from './memory/stalled.ts';
import { hostProblem, parserProblem, refuseRequest, refuseSocket, unreadable } from './refusals.ts';
import type { ApiEnvironment } from './variables.ts';

/** Requests that are under way at the end of the drain time have this much longer. */
const LAST_CALL_MS = 500;
const LOOK_MS = 20;
/**
 * Connections that wait to be taken; the system may allow fewer (`net.core.somaxconn`). One is taken in a turn of the event
 * loop: of a thousand that come at once Node's 511 would lose some, and those try again after seconds, then after minutes.
 */
const BACKLOG = 4_096;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Listens on HOST:PORT, unless others could reach an API without keys. `stop` drains: `/readyz` is 503 at once, so that load
 * balancers leave; streams end at event boundaries over the drain time; new requests are served, on connections that are
 * closed after the answer. It stops listening when nothing is under way, after LEAVE_MS at least and DRAIN_MS at most.
 */
export async function startServer(deps: Deps, config: ApiEnvironment) {
  const draining = new AbortController();
  const api = createApi(deps, config, draining.signal);
  await api.access.checkHost();
  const app = createApp(api);
  // Whoever names no host is one that asks for a public page: the application decides by the header.
  const listener = getRequestListener(app.fetch, { hostname: 'localhost', errorHandler: unreadable });
  const options = {
    maxHeaderSize: config.MAX_HEADER_BYTES,
    headersTimeout: config.REQUEST_TIMEOUT_MS,
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(1_000, config.REQUEST_TIMEOUT_MS / 4),
    // Longer than proxies keep an idle connection: they close it first, and no request meets a closing one.
    keepAliveTimeout: config.KEEP_ALIVE_MS,
    noDelay: true,
    // Node would answer without a body.
    requireHostHeader: false,
  };
  const server = createServer(options, (request, response) => {
    const problem = hostProblem(request);
    if (problem) refuseRequest(response, problem);
    else void listener(request, response);
  });
  const underWay = createActiveSet<ServerResponse>();
  const stopCutting = cutStalled(underWay, config.READER_TIMEOUT_MS);
  // Before the application, which may answer at once.
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    if (draining.signal.aborted) response.shouldKeepAlive = false;
    response.on('close', underWay.join(response));
  });
  const isAnswered = (socket: Socket) => {
    for (const response of underWay.members()) if (response.socket === socket && response.headersSent) return true;
    return false;
  };
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') return;
    // A refusal within another answer would become a part of its body.
    if (isAnswered(socket)) socket.destroy();
    else refuseSocket(socket, parserProblem(error, config.MAX_HEADER_BYTES));
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: config.PORT, host: config.HOST, backlog: BACKLOG }, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : config.PORT;
  deps.log.info({ port, host: config.HOST }, 'the API listens');

  return {
    port,
    async stop() {
      const startedAt = performance.now();
      const since = () => performance.now() - startedAt;
      draining.abort();
      for (const response of underWay.members()) if (!response.headersSent) response.shouldKeepAlive = false;
      while (since() < config.DRAIN_MS && (underWay.size() > 0 || since() < config.LEAVE_MS)) await sleep(LOOK_MS);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await Promise.race([closed, sleep(LAST_CALL_MS)]);
      server.closeAllConnections();
      stopCutting();
      api.access.stop();
    },
  };
}
