/**
 * OpenAI, and any backend that speaks its chat completions. The official client builds the request. It is sent without it,
 * which spares a resting process a sixth of the time to the first byte; the stream of the answer is read with
 * eventsource-parser, which takes half the CPU or less for each chunk than the client's own reader and bounds an event.
 */
import type { Readable } from 'node:stream';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { OpenAI } from 'openai';
import { z } from 'zod';
import { TaskError } from '../../errors.ts';
import type { ChatCall, ChatChunk, Provider, Usage } from '../../provider.ts';
import { ApiKey, ModelServerUrl } from '../addresses.ts';
import { defineProvider } from '../provider-definition.ts';
import {
  asObject,
  asText,
  type Batch,
  connectionError,
  embeddedError,
  type Json,
  MAX_EVENT_CHARACTERS,
  parseObject,
  readEvents,
  readText,
  statusError,
  streamChat,
} from './http-answer.ts';
import type { Answer, HttpFetch } from './http-fetch.ts';

/** `apiKey` may be absent for a server of one's own; `baseURL` defaults to OpenAI's. `name` stands in messages and outcomes. */
export type OpenaiOptions = {
  name: string;
  baseURL?: string | undefined;
  apiKey?: string | undefined;
  /** The model of calls that name none; without it the server is asked for its first one. */
  defaultModel?: string | undefined;
};

/** One backend and how it is asked. The client is loaded only where there is one, and then at once. */
type Backend = { name: string; client: Promise<OpenAI>; fetch: HttpFetch };

const OPENAI_URL = 'https://api.openai.com/v1';
const OPENAI_MODEL = 'gpt-4o-mini';

const MAX_ERROR_BODY_CHARACTERS = 64 * 1024;
/** Models that are no chat models, by what their makers call them: lists of models do not tell. */
const NO_CHAT =
  /embed|rerank|minilm|\b(bge|gte|e5|nomic|clip)\b|whisper|transcribe|\btts\b|speech|moderation|guard|dall-e|image/i;
/** For servers that list no models: the ones that serve a single one take any name. */
const ANY_MODEL = 'default';

/** `error` of `{error: …}`, or the whole of `{object: 'error', …}`, which older vLLM sends. */
function errorIn(body: Json | undefined): unknown {
  return body?.error || (body?.object === 'error' ? body : undefined);
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

/** An event as JSON; one of the kind `error` is an error, whatever stands in it. */
function jsonOf({ event, data }: EventSourceMessage): Json | undefined {
  const json = parseObject(data);
  return json && event === 'error' && !errorIn(json) ? { error: json } : json;
}

/** The data events of an answer; comments give none. It is over at [DONE]. */
function sseBatches(name: string): (text: string, last: boolean) => Batch {
  let messages: EventSourceMessage[] = [];
  let tooLarge = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: (event) => messages.push(event),
    onError: (error) => {
      tooLarge ||= error.type === 'max-buffer-size-exceeded';
    },
  });
  return (text, last) => {
    messages = [];
    // The blank line at the end gives out an event that its upstream did not close, whole or truncated.
    parser.feed(last ? `${text}\n\n` : text);
    if (tooLarge) throw new TaskError('output_too_large', `${name} sent an event that is larger than allowed.`);
    const end = messages.findIndex(({ data }) => data.startsWith('[DONE]'));
    return { events: (end === -1 ? messages : messages.slice(0, end)).map(jsonOf), over: end !== -1 };
  };
}

/** The stream of a response, or the error that it is instead. */
async function streamOf(name: string, { status, headers, body }: Answer): Promise<Readable> {
  if (/\bevent-stream\b/i.test(headers.get('content-type') ?? '')) return body;
  const error = errorIn(parseObject(await readText(body, MAX_ERROR_BODY_CHARACTERS)));
  if (error) throw embeddedError(name, error, headers);
  throw new TaskError('provider_busy', `${name} did not answer with an event stream (HTTP ${status}).`);
}

/** Sends a request that the client builds: what it does besides, retries and deadlines, is the caller's. */
async function send(
  { client, fetch }: Backend,
  signal: AbortSignal,
  options: Parameters<OpenAI['buildRequest']>[0],
): Promise<Answer> {
  const { req, url } = await (await client).buildRequest(options);
  return fetch(url, { ...req, signal });
}

/** An answer that is one; else it throws the error of its status. */
function accepted(name: string, answer: Answer): Answer {
  if (answer.ok) return answer;
  // An error's body is never used; it may be endless, and repeats the prompt or the key.
  answer.body.destroy();
  throw statusError(name, answer.status, answer.headers);
}

/** Sends the call. JSON leaves out the settings that are undefined. */
async function request(backend: Backend, call: ChatCall): Promise<Answer> {
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
  };
  const options = { method: 'post', path: '/chat/completions', body, stream: true } as const;
  return accepted(backend.name, await send(backend, call.signal, options));
}

function chat(backend: Backend, call: ChatCall): AsyncIterable<ChatChunk> {
  const { name } = backend;
  const open = async () => {
    const answer = await request(backend, call);
    return { headers: answer.headers, events: readEvents(await streamOf(name, answer), sseBatches(name)) };
  };
  return streamChat({ name, open, errorIn, chunkOf, callError: (error) => connectionError(name, error) }, call.signal);
}

/** The first model of a server that is a chat model by its name. */
async function firstModel(backend: Backend, signal: AbortSignal): Promise<string> {
  const { name } = backend;
  try {
    const answer = await send(backend, signal, { method: 'get', path: '/models' });
    if (answer.status === 404 || answer.status === 405) {
      answer.body.destroy();
      return ANY_MODEL;
    }
    const data = parseObject(await readText(accepted(name, answer).body))?.data;
    const ids = (Array.isArray(data) ? data : []).map((model) => asText(asObject(model)?.id));
    return ids.find((id) => id && !NO_CHAT.test(id)) ?? ANY_MODEL;
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(name, error);
  }
}

/** Where it is, without a query, which may hold a key. */
function placeOf(baseURL: string): string {
  const { origin, pathname } = new URL(baseURL);
  return `at ${origin}${pathname}`;
}

async function clientOf(apiKey: string, baseURL: string): Promise<OpenAI> {
  const { OpenAI } = await import('openai');
  return new OpenAI({
    apiKey,
    baseURL,
    // Null keeps the client from looking into the environment by itself: the configuration is read in one place.
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    logLevel: 'off',
  });
}

/** A provider over the official `openai` client, for OpenAI and every server that speaks like it. Never retries, never logs. */
export function openaiProvider(options: OpenaiOptions, fetch: HttpFetch): Provider {
  const { name, baseURL = OPENAI_URL, apiKey, defaultModel } = options;
  const key = apiKey?.trim() || 'none';
  // An unsendable header would fail every call, with an error that quotes it.
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new TaskError('provider_not_configured', `The API key of ${name} has characters that cannot be sent.`);
  const client = clientOf(key, baseURL);
  // Whoever calls meets its error.
  client.catch(() => undefined);
  const backend = { name, fetch, client };
  return {
    name,
    place: placeOf(baseURL),
    defaultModel: async (signal) => defaultModel ?? firstModel(backend, signal),
    chat: (call) => chat(backend, call),
  };
}

const OpenaiVariables = z
  .object({
    OPENAI_API_KEY: ApiKey.optional().meta({ description: 'key of OpenAI or of the server at `OPENAI_BASE_URL`' }),
    OPENAI_BASE_URL: ModelServerUrl.optional().meta({ description: 'any OpenAI-compatible server' }),
  })
  .meta({ title: 'OpenAI' });

export const openai = defineProvider({
  name: 'openai',
  variables: OpenaiVariables,
  open({ OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseURL }, fetch) {
    if (!apiKey && !baseURL) return undefined;
    const isOpenai = new URL(baseURL ?? OPENAI_URL).host === new URL(OPENAI_URL).host;
    const defaultModel = isOpenai ? OPENAI_MODEL : undefined;
    return openaiProvider({ name: 'openai', apiKey, baseURL, defaultModel }, fetch);
  },
  openListed: ({ name, baseURL, apiKey }, fetch) => openaiProvider({ name, baseURL, apiKey }, fetch),
});
