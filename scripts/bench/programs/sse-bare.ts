/** The least an SSE server can cost: node:http alone, which writes the same bytes to every response it holds. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const readers = new Set<ServerResponse>();

const server = createServer({ noDelay: true }, (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' });
  response.write('event: started\ndata: {}\n\n');
  readers.add(response);
  response.on('close', () => readers.delete(response));
});

process.on('message', (message: { event?: string }) => {
  if (message.event === undefined) return;
  const bytes = Buffer.from(`event: text\ndata: ${message.event}\n\n`);
  for (const response of readers) response.write(bytes);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  process.send?.((server.address() as AddressInfo).port),
);
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
