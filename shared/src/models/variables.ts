/** Which models there are, where they are, and how long one may be silent. */
import { z } from 'zod';
import { type Joined, MINUTE, milliseconds } from '../variable.ts';
import { providerList, withKeys } from './addresses.ts';
import { providerCatalog } from './providers/catalog.ts';
import { ProxyVariables } from './proxies.ts';

const Variables = z
  // Loose, because PROVIDERS names further variables, which hold keys.
  .looseObject({
    DEFAULT_MODEL: z.string().min(1).optional().meta({ description: 'the model of requests that name none' }),
    PROVIDERS: providerList(providerCatalog.map(({ name }) => name)).meta({
      description: 'more servers that speak like OpenAI: `name=url,name=KEY_VARIABLE@url`',
    }),
    IDLE_TIMEOUT_MS: milliseconds(10, 5 * MINUTE, 60_000).meta({
      description: 'silence of a model after which the attempt fails; keep-alive comments do not count',
    }),
  })
  .meta({ title: 'Models' })
  .transform(({ DEFAULT_MODEL, PROVIDERS, IDLE_TIMEOUT_MS, ...others }, context) => {
    const complain = (message: string) => context.addIssue({ code: 'custom', path: ['PROVIDERS'], message });
    return { DEFAULT_MODEL, PROVIDERS: withKeys(PROVIDERS, others, complain), IDLE_TIMEOUT_MS };
  });

/** Those of every provider among them. */
export const modelSlices = [Variables, ...providerCatalog.map(({ variables }) => variables), ProxyVariables] as const;
export type ModelVariables = Joined<typeof modelSlices>;
