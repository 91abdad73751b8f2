/**
 * The API of what people would build instead, as a good engineer would in an afternoon: one `queue.add` per request, a hash
 * with the status, and SSE from what the worker publishes. No record, no log, no replay. A request for a stream subscribes
 * before it adds its job: with the events behind a second request, tokens that come before it would be lost.
 * Argument: the URL of Redis.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Queue } from 'bullmq';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { Redis } from 'ioredis';
import { z } from 'zod';

const Chat = z.object({
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1),
  model: z.string().default('bench'),
  max_tokens: z.int().positive().optional(),
});

const redis = new Redis(process.argv[2] ?? '', { maxRetriesPerRequest: null });
const queue = new Queue('chat', { connection: redis });

/** One connection for all subscriptions; each channel has one reader. */
const subscriber = redis.duplicate();
const readers = new Map<string, (message: string) => void>();
subscriber.on('message', (channel, message) => readers.get(channel)?.(message));

async function addTask(id: string, input: z.infer<typeof Chat>): Promise<void> {
  await Promise.all([
    redis.hset(`task:${id}`, 'status', 'queued', 'created_at', Date.now()),
    queue.add('chat', input, {
      jobId: id,
      attempts: 3,
      backoff: { type: 'exponential', delay: 1_000 },
      removeOnComplete: true,
      removeOnFail: true,
    }),
  ]);
}

const app = new Hono();
app.post('/api/chat', async (c) => {
  const { data: input, error } = Chat.safeParse(await c.req.json());
  if (error) return c.json({ error: z.prettifyError(error) }, 400);
  const id = randomUUID();
  if (c.req.header('accept') !== 'text/event-stream') {
    await addTask(id, input);
    return c.json({ task_id: id, status: 'queued' }, 202);
  }
  return streamSSE(c, async (events) => {
    const channel = `events:${id}`;
    const over = Promise.withResolvers<void>();
    events.onAbort(over.resolve);
    readers.set(channel, async (message) => {
      await events.writeSSE({ data: message });
      if (message === '[DONE]') over.resolve();
    });
    await subscriber.subscribe(channel);
    await addTask(id, input);
    await over.promise;
    readers.delete(channel);
    await subscriber.unsubscribe(channel);
  });
});

await queue.waitUntilReady();
const server = createAdaptorServer({
  fetch: app.fetch,
  serverOptions: { noDelay: true },
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
