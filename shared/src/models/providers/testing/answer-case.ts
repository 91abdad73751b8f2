/** An answer of a model server, byte for byte, and what is to come of it. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type Answer = {
  status: number;
  content_type: string | null;
  headers?: Record<string, string>;
  body: string;
  ending: 'the answer ends' | 'the connection is cut' | 'nothing more comes, the connection stays';
};
export type AnswerCase = {
  name: string;
  http: Answer;
  /** Of the request. */
  parameters?: Record<string, unknown>;
  /** What the n-th call gets, where it is not always the same. */
  calls?: Answer[];
  expect: {
    status: 'completed' | 'failed';
    content?: string;
    code?: string;
    max_calls: number;
    message?: RegExp;
    output?: Record<string, unknown>;
    usage?: Record<string, unknown>;
    reasoning?: string;
    /** In the output's metadata. */
    note?: RegExp;
  };
};

/** Events of a stream. */
export const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
export const piece = (delta: unknown, more: Record<string, unknown> = {}) => ({
  ...{ id: 'c', model: 'm-1' },
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
});
export const end = (finish_reason = 'stop') => piece({}, { finish_reason });
export const used = { choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } };

export const answer = (body: string, more: Partial<Answer> = {}): Answer => ({
  ...{ status: 200, content_type: 'text/event-stream', ending: 'the answer ends' as const, body },
  ...more,
});
export const stream = (...events: unknown[]) => answer(sse(...events));
export const refusal = (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  answer(typeof body === 'string' ? body : JSON.stringify(body), { status, content_type: 'application/json', headers });

export const completes = (
  name: string,
  http: AnswerCase['http'],
  expect: Partial<AnswerCase['expect']> = {},
): AnswerCase => ({
  name,
  http,
  expect: { status: 'completed', content: 'one two', max_calls: 1, ...expect },
});
export const busy = (name: string, http: AnswerCase['http']): AnswerCase => ({
  name,
  http,
  expect: { status: 'failed', code: 'provider_busy', max_calls: 3 },
});
export const refused = (name: string, http: AnswerCase['http'], message: RegExp): AnswerCase => ({
  name,
  http,
  expect: { status: 'failed', code: 'provider_refused', max_calls: 1, message },
});

export const both = piece({ content: 'one two' });
export const COUNTED = { input_tokens: 5, output_tokens: 3, total_tokens: 8 };

function send(response: ServerResponse, { status, content_type, headers, body, ending }: Answer): void {
  response.writeHead(status, { ...(content_type ? { 'content-type': content_type } : {}), ...headers });
  if (ending === 'the answer ends') response.end(body);
  else if (ending === 'the connection is cut') response.write(body, () => response.destroy());
  else response.write(body);
}

export const MOVED = '/moved/v1/chat/completions';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was asked
type Asked = { path: string; method: string; headers: Record<string, unknown>; body: any };

/** A server whose model of each case's name answers as the case says, and any other model well. */
export async function startAnswering(cases: readonly AnswerCase[]) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const body = JSON.parse((await text(request).catch(() => '')) || '{}');
    const path = request.url ?? '';
    asked.push({ path, method: request.method ?? '', headers: request.headers, body });
    const given = cases.find(({ name }) => name === body.model);
    const number = asked.filter((one) => one.body.model === body.model).length;
    if (path === MOVED) send(response, stream(piece({ content: 'moved ok' }), end(), '[DONE]'));
    else if (given) send(response, given.calls?.[number - 1] ?? given.http);
    else send(response, stream(piece({ content: 'well' }), end(), used, '[DONE]'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: 'k', DEFAULT_MODEL: 'openai/fine' },
    /** The calls of a model, those that were sent on apart. */
    of: (model: string) => asked.filter(({ path, body }) => body.model === model && path !== MOVED),
    asked,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
