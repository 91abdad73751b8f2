/**
 * OpenAI, and any backend that speaks its chat completions. The official client builds the request. It is sent without it,
 * which spares a resting process a sixth of the time to the first byte.
 */
import type { OpenAI } from 'openai';
import { z } from 'zod';
import { TaskError } from '../../../errors.ts';
import type {
  ChatCall,
  ChatChunk,
  EmbedCall,
  Embedded,
  ModelAbilities,
  ModelInfo,
  Provider,
} from '../../../provider.ts';
import { ApiKey, ModelServerUrl } from '../../addresses.ts';
import { defineProvider } from '../../provider-definition.ts';
import { answerError, connectionError } from '../answer-error.ts';
import { streamChat } from '../http-answer.ts';
import type { Answer, HttpFetch } from '../http-fetch.ts';
import { parseJson, parseObject, readText } from '../json.ts';
import { rememberRefused } from '../refused.ts';
import { errorIn, openaiEvents, openaiReader } from './answer.ts';
import { embeddedIn, embedRequest } from './embeddings.ts';
import { abilitiesOf, canChat, modelsIn } from './models.ts';
import { requestOf } from './request.ts';

/** `apiKey` may be absent for a server of one's own; `baseURL` defaults to OpenAI's. `name` stands in messages and outcomes. */
export type OpenaiOptions = {
  name: string;
  baseURL?: string | undefined;
  apiKey?: string | undefined;
  /** The model of calls that name none; without it the server is asked for its first one. */
  defaultModel?: string | undefined;
};

/** One backend and how it is asked. The client is loaded only where there is one, and then at once. */
type Backend = {
  name: string;
  client: Promise<OpenAI>;
  fetch: HttpFetch;
  untilTaken: ReturnType<typeof rememberRefused>;
};

const OPENAI_URL = 'https://api.openai.com/v1';
const OPENAI_MODEL = 'gpt-4o-mini';
/** How long a list of models is waited for when it only helps, and how long it is good. */
const LIST_MS = 3_000;
const LIST_GOOD_MS = 5 * 60_000;
/** Vectors are long numbers. */
const MAX_VECTORS_CHARACTERS = 64 * 1024 * 1024;

/** For servers that list no models: the ones that serve a single one take any name. */
const ANY_MODEL = 'default';

/** Sends a request that the client builds: what it does besides, retries and deadlines, is the caller's. */
async function send(
  { client, fetch }: Backend,
  signal: AbortSignal,
  options: Parameters<OpenAI['buildRequest']>[0],
): Promise<Answer> {
  const { req, url } = await (await client).buildRequest(options);
  return fetch(url, { ...req, signal });
}

/** Sends the call; once more without a parameter that its model turns out not to take. */
const request = (backend: Backend, call: ChatCall) =>
  backend.untilTaken(call.model, async (refused) => {
    const { body, names, note } = requestOf(call, refused);
    const options = { method: 'post', path: '/chat/completions', body, stream: true } as const;
    const answer = await send(backend, call.signal, options);
    if (!answer.ok) throw await answerError(backend.name, answer, names);
    return { answer, note };
  });

function chat(backend: Backend, call: ChatCall): AsyncIterable<ChatChunk> {
  const { name } = backend;
  const open = async () => ({ ...(await request(backend, call)), take: openaiEvents(name) });
  const callError = (error: unknown) => connectionError(name, error);
  return streamChat({ name, open, errorIn, reader: openaiReader(), callError }, call.signal);
}

/** Every model of a server; none where it lists none. */
async function listModels(backend: Backend, signal: AbortSignal): Promise<ModelInfo[]> {
  const { name } = backend;
  try {
    const answer = await send(backend, signal, { method: 'get', path: '/models' });
    if (answer.status === 404 || answer.status === 405) {
      answer.body.destroy();
      return [];
    }
    if (!answer.ok) throw await answerError(name, answer);
    return modelsIn(parseJson(await readText(answer.body)));
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(name, error);
  }
}

/** What a model can do: by its name, else as its server tells. One that does not answer is not waited for. */
function describer(backend: Backend) {
  let listed: { at: number; models: Promise<ModelInfo[]> } | undefined;
  const forget = () => {
    listed = undefined;
    return [];
  };
  return async (model: string, signal: AbortSignal): Promise<ModelAbilities> => {
    signal.throwIfAborted();
    const known = abilitiesOf(model);
    if (known.contextTokens !== undefined) return known;
    const now = performance.now();
    if (!listed || now - listed.at > LIST_GOOD_MS)
      listed = { at: now, models: listModels(backend, AbortSignal.timeout(LIST_MS)).catch(forget) };
    const { name: _, ...told } = (await listed.models).find(({ name }) => name === model) ?? { name: model };
    return { ...known, ...told };
  };
}

async function embed(backend: Backend, texts: string[], call: EmbedCall): Promise<Embedded> {
  const { name } = backend;
  try {
    const body = embedRequest(texts, call);
    const answer = await send(backend, call.signal, { method: 'post', path: '/embeddings', body });
    if (!answer.ok) throw await answerError(name, answer, ['dimensions', 'encoding_format']);
    return embeddedIn(name, parseObject(await readText(answer.body, MAX_VECTORS_CHARACTERS)), call.model);
  } catch (error) {
    call.signal.throwIfAborted();
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
  const backend = { name, fetch, client, untilTaken: rememberRefused() };
  return {
    name,
    place: placeOf(baseURL),
    defaultModel: async (signal) => {
      if (defaultModel !== undefined) return defaultModel;
      return (await listModels(backend, signal)).find((model) => canChat(model.name))?.name ?? ANY_MODEL;
    },
    chat: (call) => chat(backend, call),
    embed: (texts, call) => embed(backend, texts, call),
    listModels: (signal) => listModels(backend, signal),
    describe: describer(backend),
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
