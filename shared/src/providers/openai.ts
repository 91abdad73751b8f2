/**
 * Any backend that speaks OpenAI's chat completions. The official client builds and sends the request; its stream is read
 * with eventsource-parser, which takes half the CPU or less for each chunk than the client's own reader and bounds an event.
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import OpenAI, { APIError } from 'openai';
import { TaskError } from '../errors.ts';
import type { ChatCall, ChatChunk, Provider, Usage } from '../provider.ts';

/** `apiKey` may be absent for a server of one's own; `baseURL` defaults to OpenAI's. `name` stands in messages and outcomes. */
export type OpenaiOptions = {
  name: string;
  baseURL?: string | undefined;
  apiKey?: string | undefined;
  defaultModel?: string | undefined;
};

const HOUR_MS = 3_600_000;
/** Beyond what setTimeout takes the client would time out at once; the caller keeps the deadlines. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;
const CLOSE_WAIT_MS = 100;
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;
const MAX_ERROR_BODY_CHARACTERS = 64 * 1024;

/** Statuses below 500 that say "later" rather than "no". */
const RETRYABLE = new Set([408, 409, 425, 429]);
/** What `error.type` or `error.code` say when a 200 carries an error that another attempt would meet again. */
const REFUSAL =
  /^(invalid_request|authentication|permission|not_found)_error$|^(invalid_api_key|model_not_found|context_length_exceeded)$|^content_(filter|policy_violation)$/;

type Json = Record<string, unknown>;
const asObject = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Milliseconds a response asks to wait, at most an hour; undefined when it does not say. Retry-After is seconds or an HTTP date. */
function retryAfterMs(headers: Headers | undefined): number | undefined {
  const milliseconds = headers?.get('retry-after-ms');
  const after = headers?.get('retry-after') ?? '';
  const afterMs = /^[\d.]+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  const wait = milliseconds ? Number(milliseconds) : afterMs;
  return Number.isNaN(wait) ? undefined : Math.round(Math.min(Math.max(wait, 0), HOUR_MS));
}

/** The error of an HTTP status. The message is ours alone: a provider's body may repeat the prompt or the key. */
function statusError(name: string, status: number, headers: Headers | undefined, cause?: unknown): TaskError {
  const http = `(HTTP ${status})`;
  if (status === 401 || status === 403)
    return new TaskError('provider_refused', `${name} refused the API key ${http}.`, { cause });
  if (status === 404)
    return new TaskError('provider_refused', `${name} does not know this model or address ${http}.`, { cause });
  if (status >= 400 && status < 500 && !RETRYABLE.has(status))
    return new TaskError('provider_refused', `${name} refused the request ${http}.`, { cause });
  const what = status === 429 ? 'allows no more requests just now' : 'could not answer';
  return new TaskError('provider_busy', `${name} ${what} ${http}.`, { cause, retryAfterMs: retryAfterMs(headers) });
}

/** The error inside a 200, whose `code` or `status` may be an HTTP status. It has no cause: that would be the provider's words. */
function embeddedError(name: string, error: unknown, headers: Headers): TaskError {
  const { code, type, status } = asObject(error) ?? {};
  const http = [code, status].map(Number).find((number) => number >= 400 && number < 600);
  if (http !== undefined) return statusError(name, http, headers);
  if (REFUSAL.test(String(code)) || REFUSAL.test(String(type)))
    return new TaskError('provider_refused', `${name} refused the request (HTTP 200 with an error in it).`);
  return new TaskError('provider_busy', `${name} failed while answering (HTTP 200 with an error in it).`);
}

/** `error` of `{error: …}`, or the whole of `{object: 'error', …}`, which older vLLM sends. */
function errorIn(body: Json | undefined): unknown {
  return body?.error || (body?.object === 'error' ? body : undefined);
}

/** The text of a body that is not a stream, as far as an error message can reach. */
async function readHead(body: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MAX_ERROR_BODY_CHARACTERS) break;
  }
  return text;
}

function parseObject(text: string): Json | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    // The SyntaxError quotes the provider's text, so it must not travel on as a cause.
    return undefined;
  }
}

/** Tokens under either pair of names. Only both together count: half a usage would be a wrong one. */
function usageOf(value: unknown): Usage | undefined {
  const usage = asObject(value);
  const inputTokens = usage?.prompt_tokens ?? usage?.input_tokens;
  const outputTokens = usage?.completion_tokens ?? usage?.output_tokens;
  if (typeof inputTokens !== 'number' || typeof outputTokens !== 'number') return undefined;
  return { inputTokens, outputTokens };
}

function chunkOf(event: Json): ChatChunk {
  const choice = asObject(Array.isArray(event.choices) ? event.choices[0] : undefined);
  const chunk: ChatChunk = { text: asText(asObject(choice?.delta)?.content) ?? '' };
  const finishReason = asText(choice?.finish_reason);
  if (finishReason) chunk.finishReason = finishReason;
  const model = asText(event.model);
  if (model) chunk.model = model;
  const usage = event.usage ? usageOf(event.usage) : undefined;
  if (usage) chunk.usage = usage;
  return chunk;
}

/** Waits a moment for the end of a body whose answer is complete: only then can its connection be used again. */
async function awaitClose(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), CLOSE_WAIT_MS);
  try {
    while (!(await reader.read()).done);
  } catch {
    // The answer is whole; how its connection ends is of no matter.
  } finally {
    clearTimeout(timer);
  }
}

/** The data events of an answer, as many at a time as arrived together; comments give none. Ends at [DONE] or with the body. */
async function* readEvents(name: string, body: ReadableStream<Uint8Array>): AsyncGenerator<EventSourceMessage[]> {
  let events: EventSourceMessage[] = [];
  let tooLarge = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: (event) => events.push(event),
    onError: (error) => {
      tooLarge ||= error.type === 'max-buffer-size-exceeded';
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (let ended = false; !ended; ) {
      const read = await reader.read();
      events = [];
      // The blank line at the end gives out an event that its upstream did not close, whole or truncated.
      parser.feed(read.done ? `${decoder.decode()}\n\n` : decoder.decode(read.value, { stream: true }));
      if (tooLarge) throw new TaskError('output_too_large', `${name} sent an event that is larger than allowed.`);
      const last = events.findIndex((event) => event.data.startsWith('[DONE]'));
      yield last === -1 ? events : events.slice(0, last);
      if (last !== -1) await awaitClose(reader);
      ended = read.done || last !== -1;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The stream of a response, or the error that it is instead. */
async function streamOf(name: string, response: Response): Promise<ReadableStream<Uint8Array>> {
  const isStream = /\bevent-stream\b/i.test(response.headers.get('content-type') ?? '');
  if (response.body && isStream) return response.body;
  const error = response.body && errorIn(parseObject(await readHead(response.body)));
  if (error) throw embeddedError(name, error, response.headers);
  throw new TaskError('provider_busy', `${name} did not answer with an event stream (HTTP ${response.status}).`);
}

/** The error of a call that did not come to an end. */
function callError(name: string, error: unknown): TaskError {
  if (error instanceof TaskError) return error;
  if (error instanceof APIError && error.status) return statusError(name, error.status, error.headers, error);
  return new TaskError('provider_busy', `${name} is not reachable, or its connection broke.`, { cause: error });
}

/** Sends the call. JSON leaves out the settings that are undefined. */
function request(client: OpenAI, call: ChatCall): Promise<Response> {
  const body = {
    model: call.model,
    messages: call.messages,
    temperature: call.temperature,
    max_tokens: call.max_tokens,
    top_p: call.top_p,
    frequency_penalty: call.frequency_penalty,
    presence_penalty: call.presence_penalty,
    stream: true,
    stream_options: { include_usage: true },
  } as OpenAI.ChatCompletionCreateParamsStreaming;
  return client.chat.completions.create(body, { signal: call.signal }).asResponse();
}

/** One call: a chunk for every data event. */
async function* chat(client: OpenAI, name: string, call: ChatCall): AsyncGenerator<ChatChunk> {
  const { signal } = call;
  let hasChunks = false;
  let hasText = false;
  try {
    const response = await request(client, call);
    for await (const events of readEvents(name, await streamOf(name, response))) {
      for (const { event: kind, data } of events) {
        signal.throwIfAborted();
        const body = parseObject(data);
        if (!body) throw new TaskError('provider_busy', `${name} sent a stream that is not valid.`);
        const error = errorIn(body) ?? (kind === 'error' ? body : undefined);
        if (error) throw embeddedError(name, error, response.headers);
        const chunk = chunkOf(body);
        hasChunks = true;
        hasText ||= chunk.text !== '';
        if (chunk.finishReason === 'content_filter' && !hasText)
          throw new TaskError('provider_refused', `${name} filtered the content.`);
        yield chunk;
      }
    }
  } catch (error) {
    // After an abort the reason is the signal's, whatever the client or the body threw.
    signal.throwIfAborted();
    throw callError(name, error);
  }
  signal.throwIfAborted();
  if (!hasChunks) throw new TaskError('provider_busy', `${name} ended its stream without an answer.`);
}

/** A provider over the official `openai` client, for OpenAI and every server that speaks like it. Never retries, never logs. */
export function openaiProvider({ name, baseURL, apiKey, defaultModel }: OpenaiOptions): Provider {
  const key = apiKey?.trim() || 'none';
  // An unsendable header would fail every call, with an error that quotes it.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new TaskError('provider_not_configured', `The API key of ${name} has characters that cannot be sent.`);
  const client = new OpenAI({
    apiKey: key,
    // Null keeps the client from looking into the environment by itself: the configuration is read in one place.
    baseURL: baseURL ?? null,
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    logLevel: 'off',
    async fetch(url, init) {
      const response = await fetch(url, init);
      if (response.ok) return response;
      // An error's body is never used; left alone, the client would read all of it, however long or slow.
      await response.body?.cancel().catch(() => {});
      return new Response(null, { status: response.status, headers: response.headers });
    },
  });
  return { name, defaultModel, chat: (call) => chat(client, name, call) };
}
