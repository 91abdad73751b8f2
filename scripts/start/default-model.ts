/** The model that answers when a request names none: asked once for all runners of one `npm start`, and told in its welcome. */
import type { Environment } from '../../shared/src/config.ts';
import { TaskError } from '../../shared/src/errors.ts';
import { createLog } from '../../shared/src/log.ts';
import { OLLAMA_DEFAULT_URL } from '../../shared/src/models/addresses.ts';
import { createProviders } from '../../shared/src/models/create-providers.ts';

const ASK_MS = 1_000;

function addressOf(provider: string, config: Environment): string {
  if (provider === 'builtin') return 'not an LLM; run Ollama, or set OPENAI_API_KEY or OPENAI_BASE_URL, for one';
  if (provider === 'ollama') return `at ${config.OLLAMA_HOST ?? OLLAMA_DEFAULT_URL}`;
  const listed = config.PROVIDERS.find(({ name }) => name === provider)?.baseURL;
  // Without a query, which may hold a key.
  const { origin, pathname } = new URL(listed ?? config.OPENAI_BASE_URL ?? 'https://api.openai.com/v1');
  return `at ${origin}${pathname}`;
}

/** What to tell of the model, and what runners are told of it: nothing while it is not known, so that they ask for themselves. */
export async function defaultModel(config: Environment): Promise<{ line: string; env: { DEFAULT_MODEL?: string } }> {
  const providers = await createProviders(config, createLog({ level: 'silent', name: 'start' }));
  const address = `(${addressOf(providers.default.name, config)})`;
  try {
    const model = await providers.defaultModel(AbortSignal.timeout(ASK_MS));
    return { line: `${model} ${address}`, env: { DEFAULT_MODEL: model } };
  } catch (error) {
    const why = error instanceof TaskError ? error.message : 'It did not answer in time.';
    return { line: `not known yet, ${providers.default.name} ${address}: ${why}`, env: {} };
  }
}
