/** Which models there are, and how long one may be silent. */
import { z } from 'zod';
import { MINUTE, milliseconds } from '../variable.ts';
import { ApiKey, ModelServerUrl, OllamaHost, ProviderList, withKeys } from './addresses.ts';

export const ModelVariables = z
  // Loose, because PROVIDERS names further variables, which hold keys.
  .looseObject({
    DEFAULT_MODEL: z.string().min(1).optional().meta({ description: 'the model of requests that name none' }),
    PROVIDERS: ProviderList.meta({
      description: 'more servers that speak like OpenAI: `name=url,name=KEY_VARIABLE@url`',
    }),
    // Node's fetch gives up after five minutes of silence by itself.
    IDLE_TIMEOUT_MS: milliseconds(10, 5 * MINUTE, 60_000).meta({
      description: 'silence of a model after which the attempt fails; keep-alive comments do not count',
    }),
    OPENAI_API_KEY: ApiKey.optional().meta({ description: 'key of OpenAI or of the server at `OPENAI_BASE_URL`' }),
    OPENAI_BASE_URL: ModelServerUrl.optional().meta({ description: 'any OpenAI-compatible server' }),
    OLLAMA_HOST: OllamaHost.optional().meta({
      description: 'Ollama as Ollama itself takes it: host, host:port, URL; unset 127.0.0.1:11434; `off`: none',
    }),
    OLLAMA_API_KEY: ApiKey.optional().meta({ description: 'key of an Ollama behind a proxy, or of ollama.com' }),
  })
  .meta({ title: 'Models' })
  .transform((given, context) => {
    const { DEFAULT_MODEL, IDLE_TIMEOUT_MS, OPENAI_API_KEY, OPENAI_BASE_URL, OLLAMA_HOST, OLLAMA_API_KEY } = given;
    const PROVIDERS = withKeys(given.PROVIDERS, given, (message) =>
      context.addIssue({ code: 'custom', path: ['PROVIDERS'], message }),
    );
    return { DEFAULT_MODEL, PROVIDERS, IDLE_TIMEOUT_MS, OPENAI_API_KEY, OPENAI_BASE_URL, OLLAMA_HOST, OLLAMA_API_KEY };
  });
export type ModelVariables = z.output<typeof ModelVariables>;
