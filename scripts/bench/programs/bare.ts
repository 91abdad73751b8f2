/** The least an HTTP API can cost: the API's server set-up, the body parsed, a 202. */

import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.post('/api/chat', async (c) => {
  const { messages } = await c.req.json();
  return c.json({ accepted: messages.length, at: new Date().toISOString() }, 202);
});

const server = createAdaptorServer({
  fetch: app.fetch,
  serverOptions: { noDelay: true },
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
