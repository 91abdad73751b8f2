/**
 * The part of the wiring that makes model providers, and decides which model answers when a request names none:
 * DEFAULT_MODEL; else one of the first provider that is told of, in the order of the catalog; one nobody told of only if it
 * answers now. What is configured is never passed over because it does not answer: it is asked again by the first call that
 * needs it.
 */
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Provider } from '../provider.ts';
import { chooseModel, type Providers } from './llm.ts';
import type { ProviderDefinition } from './provider-definition.ts';
import { providerCatalog } from './providers/catalog.ts';
import { createHttpFetch } from './providers/http-fetch.ts';
import type { ModelVariables } from './variables.ts';

/** How long the start waits for a server to name its models. Where none listens it is known at once. */
const ASK_MS = 3_000;

/** Aborts after a time, with an error to show. */
function within(ms: number): AbortSignal {
  const ended = new AbortController();
  const late = new TaskError('provider_busy', `It did not answer within ${ms} ms.`);
  setTimeout(() => ended.abort(late), ms).unref();
  return ended.signal;
}

type Opened = { provider: Provider; isTold: boolean };

/** Every provider of a configuration, the most preferred first. */
function openAll(config: ModelVariables, catalog: readonly ProviderDefinition[]): Opened[] {
  const fetch = createHttpFetch(config);
  const opened: Opened[] = [];
  for (const { open, isTold, openListed } of catalog) {
    const provider = open(config, fetch);
    if (provider) opened.push({ provider, isTold: isTold?.(config) ?? true });
    for (const server of openListed ? config.PROVIDERS : [])
      if (openListed) opened.push({ provider: openListed(server, fetch), isTold: true });
  }
  return opened;
}

/** The provider of DEFAULT_MODEL when that names one, else the most preferred; one that nobody told of must be there. */
async function preferredOf(opened: Opened[], { DEFAULT_MODEL }: ModelVariables): Promise<Provider> {
  const named = opened.find(({ provider }) => DEFAULT_MODEL?.startsWith(`${provider.name}/`));
  if (named) return named.provider;
  for (const { provider, isTold } of opened) {
    if (isTold || DEFAULT_MODEL) return provider;
    const isFound = await provider.defaultModel(within(ASK_MS)).then(
      () => true,
      () => false,
    );
    if (isFound) return provider;
  }
  throw new TaskError('provider_not_configured', 'No provider is configured.');
}

/** The providers of a configuration. Logs the default model, or why it cannot answer. */
export async function createProviders(
  config: ModelVariables,
  log: Log,
  catalog: readonly ProviderDefinition[] = providerCatalog,
): Promise<Providers> {
  const opened = openAll(config, catalog);
  const preferred = await preferredOf(opened, config);
  let known = config.DEFAULT_MODEL;
  const providers: Providers = {
    known: catalog.map(({ name }) => name),
    byName: new Map(opened.map(({ provider }) => [provider.name, provider])),
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
