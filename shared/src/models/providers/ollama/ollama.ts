/** A server of Ollama. */
import type { Ollama } from 'ollama/browser';
import { z } from 'zod';
import { TaskError } from '../../../errors.ts';
import type { ChatCall, ChatChunk, EmbedCall, Embedded, Provider } from '../../../provider.ts';
import { ApiKey, addressProblem } from '../../addresses.ts';
import { defineProvider } from '../../provider-definition.ts';
import { connectionError } from '../answer-error.ts';
import { streamChat } from '../http-answer.ts';
import type { HttpFetch } from '../http-fetch.ts';
import { asText } from '../json.ts';
import { rememberRefused } from '../refused.ts';
import { lineEvents, ollamaReader } from './answer.ts';
import { ask, askForObject, type Backend, type OllamaOptions } from './ask.ts';
import { describeModel, latestModel, listModels } from './models.ts';
import { requestOf } from './request.ts';

/** Where Ollama listens when nobody says otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:11434';

/** Vectors are long numbers. */
const MAX_VECTORS_CHARACTERS = 64 * 1024 * 1024;

function chat(backend: Backend, call: ChatCall): AsyncIterable<ChatChunk> {
  const { name, hint } = backend;
  const { model, signal } = call;
  const open = () =>
    backend.untilTaken(model, async (refused) => {
      const { request, names, note } = requestOf(name, call, refused);
      const answer = await ask(backend, { model, names, signal, by: (client) => client.chat(request) });
      return { answer, note, take: lineEvents(name) };
    });
  const callError = (error: unknown) => connectionError(name, error, hint);
  return streamChat({ name, open, errorIn: (event) => event.error, reader: ollamaReader(), callError }, signal);
}

async function embed(backend: Backend, input: string[], { model, dimensions, signal }: EmbedCall): Promise<Embedded> {
  const request = { model, input, ...(dimensions === undefined ? {} : { dimensions }) };
  const asked = { model, names: ['dimensions'], signal, by: (client: Ollama) => client.embed(request) };
  const answer = await askForObject(backend, asked, MAX_VECTORS_CHARACTERS);
  if (!Array.isArray(answer?.embeddings))
    throw new TaskError('provider_busy', `${backend.name} did not answer with vectors.`);
  const inputTokens = answer.prompt_eval_count;
  return {
    vectors: answer.embeddings,
    model: asText(answer.model) || model,
    ...(typeof inputTokens === 'number' ? { usage: { inputTokens, outputTokens: 0 } } : {}),
  };
}

/** A provider over the official `ollama` client. Never retries, never logs. */
export function ollamaProvider(options: OllamaOptions, fetch: HttpFetch): Provider {
  const backend = { ...options, fetch, untilTaken: rememberRefused() };
  return {
    name: options.name,
    place: `at ${options.url}`,
    defaultModel: (signal) => latestModel(backend, signal),
    chat: (call) => chat(backend, call),
    embed: (texts, call) => embed(backend, texts, call),
    listModels: (signal) => listModels(backend, signal),
    describe: (model, signal) => describeModel(backend, model, signal),
  };
}

/**
 * OLLAMA_HOST in every form that Ollama itself takes (`host`, `host:port`, `:port`, `http://host:port/path`), as the URL
 * to call. A server that listens on all addresses is called on loopback.
 */
const OllamaHost = z
  .string()
  .trim()
  .transform((text, context) => {
    if (text === 'off') return 'off';
    const [, given, rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
    const scheme = given ?? (text === 'ollama.com' ? 'https' : 'http');
    // Without brackets the colons of an IPv6 address are no port.
    const isBareIpv6 = /^[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*$/i.test(rest);
    const host = isBareIpv6 ? `[${rest}]` : rest.replace(/^(?=:|\/|$)/, '127.0.0.1');
    const url = URL.parse(`${scheme}://${host}`);
    const problem = url ? addressProblem(url.href) : 'must be host, host:port, a URL, or off';
    if (!url || problem) {
      context.addIssue({ code: 'custom', message: problem ?? '' });
      return z.NEVER;
    }
    if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
    if (url.hostname === '[::]') url.hostname = '[::1]';
    // A URL leaves out the port that its scheme implies; without a scheme it is Ollama's own.
    if (!given && scheme === 'http' && url.port === '' && !/:80(\/|$)/.test(host)) url.port = '11434';
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  });

const OllamaVariables = z
  .object({
    OLLAMA_HOST: OllamaHost.optional().meta({
      description: 'Ollama as Ollama itself takes it: host, host:port, URL; unset 127.0.0.1:11434; `off`: none',
    }),
    OLLAMA_API_KEY: ApiKey.optional().meta({ description: 'key of an Ollama behind a proxy, or of ollama.com' }),
  })
  .meta({ title: 'Ollama' });

/** Ollama; `defaultUrl` is where one that nobody told of is looked for. */
export const ollamaAt = (defaultUrl: string) =>
  defineProvider({
    name: 'ollama',
    variables: OllamaVariables,
    isTold: ({ OLLAMA_HOST }) => OLLAMA_HOST !== undefined,
    open({ OLLAMA_HOST: url, OLLAMA_API_KEY: apiKey }, fetch) {
      if (url === 'off') return undefined;
      const where = `It was looked for at ${defaultUrl}; OLLAMA_HOST names another address.`;
      const hint = `Is it running?${url ? '' : ` ${where}`}`;
      // A key is for the server that was told of, not for whoever listens at the default address.
      const server = url ? { url, apiKey } : { url: defaultUrl };
      return ollamaProvider({ name: 'ollama', hint, ...server }, fetch);
    },
  });

export const ollama = ollamaAt(DEFAULT_URL);
