/** What a provider is to the rest: a name, variables of its own, and how it is opened with them. */
import type { z } from 'zod';
import type { Provider } from '../provider.ts';
import type { ListedProvider } from './addresses.ts';
import type { HttpFetch } from './providers/http-fetch.ts';

export type ProviderDefinition<Variables extends z.ZodObject = z.ZodObject> = {
  /** Before the slash of its models' names. */
  name: string;
  /** With a title and, for each, a description: docs/configuration.md is made of them. */
  variables: Variables;
  /** The provider that its variables tell of; undefined when they tell of none. Only one that is called loads its SDK. */
  open(values: z.output<Variables>, fetch: HttpFetch): Provider | undefined;
  /** False when it is there without anybody having told of it: then it answers by default only if it is found. */
  isTold?(values: z.output<Variables>): boolean;
  /** Opens a server of PROVIDERS. */
  openListed?(server: ListedProvider, fetch: HttpFetch): Provider;
};

export const defineProvider = <Variables extends z.ZodObject>(definition: ProviderDefinition<Variables>) => definition;
