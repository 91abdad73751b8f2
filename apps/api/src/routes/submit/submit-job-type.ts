/** `POST` on a job type's own route: the input's fields and the options stand side by side in the body. */
import type { JobType } from '@beanline/shared/job-type.ts';
import { readJson } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { type App, route } from '../../http/route.ts';
import { nameOf } from '../../openapi/job-types.ts';
import { answerTask } from '../tasks/answer-approval.ts';
import { findTask } from '../tasks/task-path.ts';
import { accept, submitRequest } from './accept.ts';
import { bodyOf, exampleOf } from './bodies.ts';
import { submitOperation } from './submit-operation.ts';
import { splitBody } from './submit-request.ts';

/** One for each job type that has a route. */
export function submitJobTypeRoutes(app: App, api: Api) {
  for (const type of api.deps.catalog.values()) if (type.route) submitJobTypeRoute(app, api, type, type.route);
}

function submitJobTypeRoute(app: App, api: Api, type: JobType, path: string) {
  const example = exampleOf(type);
  route(app, {
    method: 'post',
    path,
    operation: submitOperation(api, {
      type,
      operationId: `submit${nameOf(type)}`,
      summary: `Submits a task of type ${type.name}`,
      body: { schema: bodyOf(type), ...(example === undefined ? {} : { example }) },
      // Those of a session.
      problems: type.sessionOf ? ['not_found', 'conflict'] : [],
    }),
    async handler(c) {
      const body = await readJson(c);
      const attached = type.attach?.(body);
      if (attached) {
        const task = await findTask(api, c, 'listed', attached.taskId);
        return answerTask(api, c, task, { body: attached.answer, path: attached.path });
      }
      return accept(api, c, submitRequest(api, c, type, splitBody(body)), type.waitSeconds);
    },
  });
}
