/** An OpenAI-compatible model server in the test's own process, whose every byte the test decides. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type UpstreamCall = {
  /** Counts calls from 1. */
  number: number;
  body: { model: string; messages: { role: string; content: unknown }[]; [field: string]: unknown };
  headers: IncomingMessage['headers'];
  response: ServerResponse;
  /** Sends one content delta. */
  text(content: string): void;
  /** Sends any data event. */
  data(payload: unknown): void;
  /** Ends well: finish_reason, usage (null: none), [DONE]. */
  finish(options?: { reason?: string; usage?: { prompt_tokens: number; completion_tokens: number } | null }): void;
  /** Answers with a status instead of a stream. */
  refuse(status: number, headers?: Record<string, string>, body?: string): void;
  /** Resolves when the connection of this call has closed, whoever closed it. */
  closed: Promise<void>;
};

/** The text of the default answer, of `count` words. */
export const numberedWords = (count: number) => Array.from({ length: count }, (_, index) => `w${index} `);

/** Streams numbered words, one each `delayMs`. */
export const slowWords =
  (count: number, delayMs: number) =>
  async (call: UpstreamCall): Promise<void> => {
    for (const word of numberedWords(count)) {
      if (call.response.destroyed) return;
      call.text(word);
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    call.finish({ usage: { prompt_tokens: 7, completion_tokens: count } });
  };

/** The body of a request; undefined when its sender died or broke off in the middle of it, which is no request. */
export async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  try {
    return await text(request);
  } catch {
    return undefined;
  }
}

/** Starts the server; `answer` may be replaced at any time. `env` configures a runner to use it. */
export async function startUpstream(answer: (call: UpstreamCall) => void | Promise<void> = slowWords(20, 0)) {
  const calls: UpstreamCall[] = [];
  const waiting: { count: number; resolve(call: UpstreamCall): void }[] = [];
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    if (body === undefined) return;
    // It lists no models.
    if (request.method === 'GET') return void response.writeHead(404).end();
    let streaming = false;
    const stream = () => {
      if (!streaming && !response.headersSent) response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      streaming = true;
    };
    const call: UpstreamCall = {
      number: calls.length + 1,
      body: JSON.parse(body),
      headers: request.headers,
      response,
      closed: once(response, 'close').then(() => undefined),
      data(payload) {
        stream();
        response.write(`data: ${JSON.stringify(payload)}\n\n`);
      },
      text(content) {
        call.data({
          id: 'c',
          object: 'chat.completion.chunk',
          created: 1,
          model: call.body.model,
          choices: [{ index: 0, delta: { content }, finish_reason: null }],
        });
      },
      finish({ reason = 'stop', usage = { prompt_tokens: 7, completion_tokens: 11 } } = {}) {
        call.data({
          id: 'c',
          object: 'chat.completion.chunk',
          created: 1,
          model: call.body.model,
          choices: [{ index: 0, delta: {}, finish_reason: reason }],
        });
        if (usage) {
          const total_tokens = usage.prompt_tokens + usage.completion_tokens;
          call.data({
            id: 'c',
            object: 'chat.completion.chunk',
            created: 1,
            model: call.body.model,
            choices: [],
            usage: { ...usage, total_tokens },
          });
        }
        response.end('data: [DONE]\n\n');
      },
      refuse(status, headers = {}, body = '{"error":{"message":"no"}}') {
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(body);
      },
    };
    calls.push(call);
    for (const waiter of waiting.splice(0)) {
      if (calls.length >= waiter.count) waiter.resolve(calls[waiter.count - 1] as UpstreamCall);
      else waiting.push(waiter);
    }
    await upstream.answer(call);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const upstream = {
    answer,
    calls,
    env: {
      OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
      OPENAI_API_KEY: 'sk-canary-upstream-key',
      DEFAULT_MODEL: 'openai/test',
    },
    /** The `number`th call, counted from 1, now or when it comes. */
    call: (number: number) =>
      calls.length >= number
        ? Promise.resolve(calls[number - 1] as UpstreamCall)
        : new Promise<UpstreamCall>((resolve) => waiting.push({ count: number, resolve })),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}

export type Upstream = Awaited<ReturnType<typeof startUpstream>>;
