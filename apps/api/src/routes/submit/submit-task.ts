/** `POST /tasks`: a task of any job type. */
import { TaskError } from '@beanline/shared/errors.ts';
import type { Catalog, JobType } from '@beanline/shared/job-type.ts';
import { readJson } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { type App, route } from '../../http/route.ts';
import { accept, submitRequest } from './accept.ts';
import { taskBodyOf, taskExamplesOf } from './bodies.ts';
import { submitOperation } from './submit-operation.ts';
import { splitTaskBody } from './submit-request.ts';

function typeOf(catalog: Catalog, name: string): JobType {
  const type = catalog.get(name);
  if (type) return type;
  const known = [...catalog.keys()].join(', ');
  throw new TaskError('unknown_type', `There is no job type of this name. There are: ${known}.`, {
    fields: [{ path: 'type', message: `must be one of: ${known}` }],
  });
}

export function submitTaskRoute(app: App, api: Api) {
  const { catalog } = api.deps;
  route(app, {
    method: 'post',
    path: '/tasks',
    operation: submitOperation(api, {
      operationId: 'submitTask',
      summary: 'Submits a task of any type',
      body: { schema: taskBodyOf(catalog), examples: taskExamplesOf(catalog) },
      problems: ['unknown_type', 'not_found', 'conflict'],
    }),
    async handler(c) {
      const { type, ...parts } = splitTaskBody(await readJson(c));
      return accept(api, c, submitRequest(api, c, typeOf(catalog, type), parts));
    },
  });
}
