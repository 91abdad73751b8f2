/**
 * What a bench compares with: a queue-less proxy as one would write it in an hour, Hono and the official client, which
 * relays each token as an SSE event. Argument: the upstream's URL.
 */

import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'bench', maxRetries: 0 });
const app = new Hono();

app.post('/api/chat', async (c) => {
  const body: OpenAI.ChatCompletionCreateParamsStreaming = await c.req.json();
  return streamSSE(c, async (events) => {
    const chunks = await client.chat.completions.create({ ...body, stream: true });
    for await (const { choices } of chunks) {
      const content = choices[0]?.delta.content;
      if (content) await events.writeSSE({ event: 'text', data: JSON.stringify({ content }) });
    }
    await events.writeSSE({ event: 'done', data: '{}' });
  });
});

const server = createAdaptorServer({
  fetch: app.fetch,
  serverOptions: { noDelay: true },
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
