/**
 * The part of the wiring that makes model providers, and decides which model answers when a request names none:
 * DEFAULT_MODEL; else a model of OpenAI's or of the server at OPENAI_BASE_URL; of the first of PROVIDERS; of Ollama, when
 * OLLAMA_HOST is set or one answers at its default address; of the built-in responder. What is configured is never passed
 * over because it does not answer: it is asked again by the first call that needs it.
 */
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Provider } from '../provider.ts';
import { OLLAMA_DEFAULT_URL } from './addresses.ts';
import { chooseModel, type Providers } from './llm.ts';
import type { ModelVariables } from './variables.ts';

/** How long the start waits for a server to name its models. Where none listens it is known at once. */
const ASK_MS = 3_000;
const OPENAI_URL = 'https://api.openai.com/v1';
const OPENAI_MODEL = 'gpt-4o-mini';

/** Aborts after a time, with an error to show. */
function within(ms: number): AbortSignal {
  const ended = new AbortController();
  const late = new TaskError('provider_busy', `It did not answer within ${ms} ms.`);
  setTimeout(() => ended.abort(late), ms).unref();
  return ended.signal;
}

/** Every provider of a configuration, the most preferred first. SDKs are loaded only where they are needed. */
async function providersOf(config: ModelVariables, ollamaUrl: string): Promise<Provider[]> {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, OLLAMA_HOST, PROVIDERS } = config;
  const providers: Provider[] = [];
  if (OPENAI_API_KEY || OPENAI_BASE_URL || PROVIDERS.length > 0) {
    const { openaiProvider } = await import('./providers/openai.ts');
    if (OPENAI_API_KEY || OPENAI_BASE_URL) {
      const isOpenai = new URL(OPENAI_BASE_URL ?? OPENAI_URL).host === new URL(OPENAI_URL).host;
      const defaultModel = isOpenai ? OPENAI_MODEL : undefined;
      providers.push(
        openaiProvider({ name: 'openai', apiKey: OPENAI_API_KEY, baseURL: OPENAI_BASE_URL, defaultModel }),
      );
    }
    for (const { name, baseURL, apiKey } of PROVIDERS) providers.push(openaiProvider({ name, baseURL, apiKey }));
  }
  if (OLLAMA_HOST !== 'off') {
    const { ollamaProvider } = await import('./providers/ollama.ts');
    const where = `It was looked for at ${ollamaUrl}; OLLAMA_HOST names another address.`;
    const hint = `Is it running?${OLLAMA_HOST ? '' : ` ${where}`}`;
    // A key is for the server that was told of, not for whoever listens at the default address.
    const server = OLLAMA_HOST ? { url: OLLAMA_HOST, apiKey: config.OLLAMA_API_KEY } : { url: ollamaUrl };
    providers.push(ollamaProvider({ name: 'ollama', hint, ...server }));
  }
  const { builtinProvider } = await import('./providers/builtin.ts');
  return [...providers, builtinProvider()];
}

/** The provider of DEFAULT_MODEL when that names one, else the most preferred; an Ollama nobody told of must be there. */
async function preferredOf(providers: Provider[], config: ModelVariables): Promise<Provider> {
  const { DEFAULT_MODEL, OLLAMA_HOST } = config;
  const named = providers.find(({ name }) => DEFAULT_MODEL?.startsWith(`${name}/`));
  if (named) return named;
  const [first, builtin] = [providers[0], providers.at(-1)] as [Provider, Provider];
  if (first.name !== 'ollama' || OLLAMA_HOST || DEFAULT_MODEL) return first;
  const found = await first.defaultModel(within(ASK_MS)).then(
    () => true,
    () => false,
  );
  return found ? first : builtin;
}

/**
 * The providers of a configuration. Logs the default model, or why it cannot answer. `ollamaUrl` is where an Ollama nobody
 * told of is looked for.
 */
export async function createProviders(
  config: ModelVariables,
  log: Log,
  ollamaUrl: string = OLLAMA_DEFAULT_URL,
): Promise<Providers> {
  const all = await providersOf(config, ollamaUrl);
  const preferred = await preferredOf(all, config);
  let known = config.DEFAULT_MODEL;
  const providers: Providers = {
    byName: new Map(all.map((provider) => [provider.name, provider])),
    default: preferred,
    async defaultModel(signal) {
      known ??= `${preferred.name}/${await preferred.defaultModel(signal)}`;
      return known;
    },
  };
  try {
    const model = await providers.defaultModel(within(ASK_MS));
    chooseModel(providers, model);
    log.info({ model, providers: [...providers.byName.keys()] }, 'the default model');
  } catch (error) {
    log.warn({ error, provider: preferred.name }, 'the default model cannot answer yet');
  }
  return providers;
}
