/** Submits: one route per public job type, and `POST /tasks` for any of them. */
import { TaskError } from '@beanline/shared/errors.ts';
import type { Catalog, JobType } from '@beanline/shared/job-type.ts';
import type { Hono } from 'hono';
import { readJson } from '../../http/body.ts';
import type { Api, ApiContext, ApiEnv } from '../../http/context.ts';
import { accept, submitRequest } from './accept.ts';
import { splitBody, splitTaskBody } from './submit-request.ts';

function typeOf(catalog: Catalog, name: string): JobType {
  const type = catalog.get(name);
  if (type) return type;
  const known = [...catalog.keys()].join(', ');
  throw new TaskError('unknown_type', `There is no job type of this name. There are: ${known}.`, {
    fields: [{ path: 'type', message: `must be one of: ${known}` }],
  });
}

export function submitRoutes(app: Hono<ApiEnv>, api: Api) {
  const { config, deps } = api;

  async function submitOwn(c: ApiContext, type: JobType) {
    const parts = splitBody(await readJson(c.env.incoming, config));
    return accept(api, c, submitRequest(api, c, type, parts));
  }
  for (const type of deps.catalog.values()) if (type.route) app.post(type.route, (c) => submitOwn(c, type));

  app.post('/tasks', async (c) => {
    const { type, ...parts } = splitTaskBody(await readJson(c.env.incoming, config));
    return accept(api, c, submitRequest(api, c, typeOf(deps.catalog, type), parts));
  });
}
