/** What every route of the API works with. */
import type { Deps } from '@beanline/shared/deps.ts';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { type Access, type Caller, createAccess } from './access/access.ts';
import { createStreams, type Streams } from './streams.ts';
import type { ApiEnvironment } from './variables.ts';

export type Api = {
  deps: Deps;
  config: ApiEnvironment;
  /** Aborts when the API shuts down: streams end at an event boundary, waiting requests get what there is. */
  drain: AbortSignal;
  access: Access;
  streams: Streams;
};

export function createApi(deps: Deps, config: ApiEnvironment, drain: AbortSignal): Api {
  const access = createAccess(deps, config);
  return { deps, config, drain, access, streams: createStreams(deps, access, config) };
}

type Variables = {
  requestId: string;
  caller: Caller;
  /** The caller's: every read and every verb takes it. */
  owner: string;
  /** On every answer to this request, streams included. */
  headers?: Record<string, string>;
};

export type ApiEnv = { Bindings: HttpBindings; Variables: Variables };
export type ApiContext = Context<ApiEnv>;
