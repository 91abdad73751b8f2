/**
 * A server of Ollama. The official client builds and sends the request; its answer is read here, because the client's own
 * reader prints what is not JSON with the provider's words and skips it, bounds no line, cannot be aborted before the first
 * byte and leaves the connection open when reading stops. Its entry for browsers is used: the other one opens local files
 * that the text of an image happens to name.
 */
import type { Ollama } from 'ollama/browser';
import { z } from 'zod';
import { TaskError } from '../../../errors.ts';
import type { ChatCall, ChatChunk, Provider } from '../../../provider.ts';
import { ApiKey, addressProblem } from '../../addresses.ts';
import { defineProvider } from '../../provider-definition.ts';
import { answerError, connectionError } from '../answer-error.ts';
import { streamChat } from '../http-answer.ts';
import type { Answer, HttpFetch } from '../http-fetch.ts';
import { asObject, asText, parseObject, readText } from '../json.ts';
import { rememberRefused } from '../refused.ts';
import { lineEvents, ollamaReader } from './answer.ts';
import { requestOf } from './request.ts';

/** `url` such as `http://127.0.0.1:11434`. `hint` follows the message when nothing answers there. */
export type OllamaOptions = { name: string; url: string; apiKey?: string | undefined; hint?: string | undefined };

type Backend = OllamaOptions & { fetch: HttpFetch; untilTaken: ReturnType<typeof rememberRefused> };

/** Where Ollama listens when nobody says otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:11434';

/** Models that are looked at for one that can chat. */
const MAX_LOOKED_AT = 20;
const MODEL_NAME = /^[\w.:/@-]+$/;

/** What is asked, by a method of the client; `names` are the parameters that the model may refuse. */
type Asked = { model?: string; names?: string[]; signal: AbortSignal; by(client: Ollama): Promise<unknown> };

/** A refusal of Ollama's own says that the model is missing; another 404 comes from something else at that address. */
async function refusalOf(name: string, answer: Answer, { model, names }: Asked): Promise<TaskError> {
  const { status, headers } = answer;
  const error = await answerError(name, answer, names);
  if (status !== 404 || !model || !/\bjson\b/.test(headers.get('content-type') ?? '')) return error;
  const command = MODEL_NAME.test(model) ? ` On its machine: ollama pull ${model}` : '';
  return new TaskError('provider_refused', `${name} does not have the model "${model}" (HTTP ${status}).${command}`);
}

/** Sends what `by` asks the client for, and gives the answer as it came, or throws the error of its status. */
async function ask({ name, url, apiKey, fetch }: Backend, asked: Asked): Promise<Answer> {
  let answer: Answer | undefined;
  const { Ollama } = await import('ollama/browser');
  const client = new Ollama({
    host: url,
    ...(apiKey ? { headers: { Authorization: `Bearer ${apiKey}` } } : {}),
    // The client of one request: only its fetch can be given the signal.
    async fetch(input, init) {
      answer = await fetch(String(input), { ...init, signal: asked.signal });
      return Response.json({});
    },
  });
  await asked.by(client);
  if (answer?.ok) return answer;
  throw answer ? await refusalOf(name, answer, asked) : new TaskError('provider_busy', `${name} answered nothing.`);
}

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

/** Whether a model can chat. Servers that do not tell yet have embedding models of BERT's family only. */
async function canChat(backend: Backend, model: string, signal: AbortSignal): Promise<boolean> {
  const { body } = await ask(backend, { model, signal, by: (client) => client.show({ model }) });
  const { capabilities, details } = parseObject(await readText(body)) ?? {};
  if (Array.isArray(capabilities)) return capabilities.includes('completion');
  return !/bert/i.test(asText(asObject(details)?.family) ?? '');
}

/** The model that was pulled or made last and can chat. Those that Ollama only passes on to another machine are left out. */
async function latestModel(backend: Backend, signal: AbortSignal): Promise<string> {
  const { name, hint } = backend;
  try {
    const { body } = await ask(backend, { signal, by: (client) => client.list() });
    const models = parseObject(await readText(body))?.models;
    if (!Array.isArray(models)) throw new TaskError('provider_busy', `${name} did not answer like Ollama.`);
    const local = models.flatMap((entry) => {
      const { name: model, remote_host, remote_model } = asObject(entry) ?? {};
      return typeof model === 'string' && !remote_host && !remote_model ? [model] : [];
    });
    for (const model of local.slice(0, MAX_LOOKED_AT)) if (await canChat(backend, model, signal)) return model;
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(name, error, hint);
  }
  const message = `${name} has no model that can chat. On its machine, for example: ollama pull llama3.2`;
  throw new TaskError('provider_not_configured', message);
}

/** A provider over the official `ollama` client. Never retries, never logs. */
export function ollamaProvider(options: OllamaOptions, fetch: HttpFetch): Provider {
  const backend = { ...options, fetch, untilTaken: rememberRefused() };
  return {
    name: options.name,
    place: `at ${options.url}`,
    defaultModel: (signal) => latestModel(backend, signal),
    chat: (call) => chat(backend, call),
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
