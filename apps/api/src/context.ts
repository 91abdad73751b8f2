/** What every route of the API works with. */
import type { Environment } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

export type Api = {
  deps: Deps;
  config: Environment;
  /** Aborts when the API shuts down: streams end at an event boundary, waiting requests get what there is. */
  drain: AbortSignal;
};

export type ApiEnv = { Bindings: HttpBindings; Variables: { requestId: string; owner: string } };
export type ApiContext = Context<ApiEnv>;
