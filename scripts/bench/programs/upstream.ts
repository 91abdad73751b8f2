/**
 * The model server of a bench: streams `max_tokens` equal tokens as fast as they are taken, from bytes made beforehand.
 * Each token is a write of its own, as model servers flush; with the model `joined` 50 tokens share a write, and the model
 * `wait-<ms>` says nothing for so long.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const TOKENS_PER_JOINED_WRITE = 50;

const chunk = (choice: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'bench', choices: [choice], ...rest })}\n\n`;
const token = Buffer.from(chunk({ index: 0, delta: { content: 'word ' }, finish_reason: null }));
const joined = Buffer.concat(Array.from({ length: TOKENS_PER_JOINED_WRITE }, () => token));
const ending = (tokens: number) =>
  Buffer.from(
    `${chunk({ index: 0, delta: {}, finish_reason: 'stop' })}${chunk(
      { index: 0, delta: {}, finish_reason: null },
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: tokens, total_tokens: tokens + 3 } },
    )}data: [DONE]\n\n`,
  );

async function stream(response: ServerResponse, tokens: number, model: string) {
  const [bytes, step] = model === 'joined' ? [joined, TOKENS_PER_JOINED_WRITE] : [token, 1];
  const waitMs = Number(/^wait-(\d+)$/.exec(model)?.[1] ?? 0);
  if (waitMs > 0) await delay(waitMs);
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  for (let sent = 0; sent < tokens && !response.destroyed; sent += step) {
    if (!response.write(bytes)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    // Within one turn Node would join the writes.
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end(ending(tokens));
}

const server = createServer({ noDelay: true }, async (request, response) => {
  // What else a client may ask of a model server, such as its models, it does not know.
  if (request.method !== 'POST') return void response.writeHead(404).end();
  let text = '';
  for await (const bytes of request) text += bytes;
  const { max_tokens: tokens, model } = JSON.parse(text) as { max_tokens: number; model: string };
  await stream(response, tokens, model);
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
