/** An SSE server as one would write it in an hour: Hono's `streamSSE`, each connection subscribed to an emitter. */
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';

const events = new EventEmitter().setMaxListeners(0);
const app = new Hono();

app.get('*', (c) =>
  streamSSE(c, async (stream) => {
    const left = Promise.withResolvers<void>();
    const send = (data: string) => void stream.writeSSE({ event: 'text', data });
    stream.onAbort(left.resolve);
    events.on('event', send);
    await stream.writeSSE({ event: 'started', data: '{}' });
    await left.promise;
    events.off('event', send);
  }),
);

process.on('message', (message: { event?: string }) => {
  if (message.event !== undefined) events.emit('event', message.event);
});
const server = createAdaptorServer({ fetch: app.fetch, serverOptions: { noDelay: true } });
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  process.send?.((server.address() as AddressInfo).port),
);
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
