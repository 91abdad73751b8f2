/** How the model servers that a contract is tested against say the same things. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { TaskError } from '../../shared/src/errors.ts';
import { createHttpFetch } from '../../shared/src/models/providers/http-fetch.ts';
import type { OllamaOptions } from '../../shared/src/models/providers/ollama/ask.ts';
import { ollamaProvider } from '../../shared/src/models/providers/ollama/ollama.ts';
import { type OpenaiOptions, openaiProvider } from '../../shared/src/models/providers/openai/openai.ts';
import type { ChatCall, ChatChunk, Provider } from '../../shared/src/provider.ts';
import { bodyOf } from './upstream.ts';

/** What no error may repeat. */
export const CANARY = 'canary-7f3a';
export const KEY = 'sk-secret-key-of-the-test';

const fetch = createHttpFetch();
export const viaOpenai = (options: OpenaiOptions) => openaiProvider(options, fetch);
export const viaOllama = (options: OllamaOptions) => ollamaProvider(options, fetch);

export type Dialect = {
  name: string;
  contentType: string;
  /** The provider under test, named `upstream`; `url` is an origin. */
  provider(url: string): Provider;
  /** One event. */
  event(data: unknown): string;
  /** An event with a piece of text. */
  text(content: string): string;
  /** The events that end an answer; `usage` is input and output tokens. */
  end(usage?: unknown[]): string;
  /** What keeps a connection alive and is no data. */
  keepAlive: string;
};

const sse = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const line = (data: unknown) => `${typeof data === 'string' ? data : JSON.stringify(data)}\n`;

export const openaiDialect: Dialect = {
  name: 'openai',
  contentType: 'text/event-stream',
  provider: (url) => viaOpenai({ name: 'upstream', baseURL: `${url}/v1`, apiKey: KEY }),
  event: sse,
  text: (content) => sse({ model: 'm-1', choices: [{ index: 0, delta: { content } }] }),
  end: (usage) =>
    sse({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
    (usage ? sse({ choices: [], usage: { prompt_tokens: usage[0], completion_tokens: usage[1] } }) : '') +
    sse('[DONE]'),
  keepAlive: ': keep-alive\n\n',
};

export const ollamaDialect: Dialect = {
  name: 'ollama',
  contentType: 'application/x-ndjson',
  provider: (url) => viaOllama({ name: 'upstream', url, apiKey: KEY }),
  event: line,
  text: (content) => line({ model: 'm-1', message: { role: 'assistant', content }, done: false }),
  end: (usage) =>
    line({
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      ...(usage ? { prompt_eval_count: usage[0], eval_count: usage[1] } : {}),
    }),
  keepAlive: '\n',
};

export const dialects = [openaiDialect, ollamaDialect];

/** A model server whose answers the test writes by hand; `answer` may look at the last of `requests`. */
export async function startRaw(
  t: { after(close: () => void): unknown },
  answer?: (response: ServerResponse) => void,
  port = 0,
) {
  const sockets = new Set<Socket>();
  const responses: ServerResponse[] = [];
  const requests: { method: string; url: string; body: string; headers: Record<string, unknown> }[] = [];
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    if (body === undefined) return;
    requests.push({ method: request.method ?? '', url: request.url ?? '', body, headers: request.headers });
    responses.push(response);
    answer?.(response);
    server.emit('answering');
  });
  server.on('connection', (socket) => sockets.add(socket));
  await once(server.listen(port, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, sockets, requests, responses, answering: () => once(server, 'answering') };
}

/** A call of a model. */
export function callOf(more: Partial<ChatCall> = {}): ChatCall {
  const messages = [{ role: 'user' as const, content: 'hello' }];
  return { model: 'm', messages, signal: new AbortController().signal, ...more };
}

export async function collect(chunks: AsyncIterable<ChatChunk>) {
  const all: ChatChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return { all, text: all.map((chunk) => chunk.text).join(''), usage: all.findLast((chunk) => chunk.usage)?.usage };
}

/** The error a promise must end in. */
export async function failureOf(promise: Promise<unknown>): Promise<TaskError> {
  const error = await promise.then(
    (value) => new Error(`no failure but ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TaskError) return error;
  throw new Error('expected a TaskError', { cause: error });
}
