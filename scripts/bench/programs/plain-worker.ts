/**
 * The worker of what people would build instead (`plain-api.ts`): it calls the model with the official client and publishes
 * each token. Arguments: the URL of Redis, the upstream's URL.
 */
import { type Job, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import OpenAI from 'openai';

/** As beanline's chats. */
const CONCURRENCY = 50;
const KEPT_S = 86_400;

const redis = new Redis(process.argv[2] ?? '', { maxRetriesPerRequest: null });
const client = new OpenAI({ baseURL: `${process.argv[3]}/v1`, apiKey: 'bench', maxRetries: 0 });

async function run({ id, data }: Job<OpenAI.ChatCompletionCreateParamsStreaming>): Promise<void> {
  const task = `task:${id}`;
  const channel = `events:${id}`;
  redis.hset(task, 'status', 'in_progress', 'started_at', Date.now());
  const chunks = await client.chat.completions.create({ ...data, stream: true });
  let output = '';
  for await (const { choices } of chunks) {
    const content = choices[0]?.delta.content;
    if (!content) continue;
    output += content;
    redis.publish(channel, JSON.stringify({ content }));
  }
  await Promise.all([
    redis.hset(task, 'status', 'completed', 'output', output, 'ended_at', Date.now()),
    redis.expire(task, KEPT_S),
    redis.publish(channel, '[DONE]'),
  ]);
}

const worker = new Worker('chat', run, {
  connection: new Redis(process.argv[2] ?? '', { maxRetriesPerRequest: null }),
  concurrency: CONCURRENCY,
});
await worker.waitUntilReady();
process.send?.(0);
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
