/** `POST /tasks/<id>/retry`: a new task of the same input. */
import { TaskError } from '@beanline/shared/errors.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { readRequest } from '@beanline/shared/tasks/read-request.ts';
import type { FoundTask } from '@beanline/shared/tasks/read-task.ts';
import type { SubmitRequest } from '@beanline/shared/tasks/submit-task.ts';
import type { Api, ApiContext } from '../../http/context.ts';
import { type App, route } from '../../http/route.ts';
import { findTask, TaskPath } from '../tasks/task-path.ts';
import { accept, submitRequest } from './accept.ts';
import { submitOperation } from './submit-operation.ts';

/** The submit of an ended task once more, with the options it had. */
async function retryRequest(api: Api, c: ApiContext, task: FoundTask): Promise<SubmitRequest> {
  const type = api.deps.catalog.get(task.type);
  const stored = await readRequest(api.deps, task);
  if (!type || stored === null) throw new TaskError('gone', 'The input of this task is past its retention.');
  const parts = { rawInput: JSON.parse(stored.input), rawOptions: {}, inputPath: ['input'] };
  const request = submitRequest(api, c, type, parts);
  const { priority, metadata, maxAttempts } = task;
  const patienceMs = task.patienceMs ?? undefined;
  return {
    ...request,
    // Also where an admin asks for it.
    owner: task.owner,
    retryOf: task,
    options: { ...request.options, priority, metadata, timeoutMs: stored.timeoutMs, maxAttempts, patienceMs },
  };
}

export function retryTaskRoute(app: App, api: Api) {
  route(app, {
    method: 'post',
    path: '/tasks/{id}/retry',
    operation: submitOperation(api, {
      operationId: 'retryTask',
      summary: 'Submits a new task of the same input, linked by `retry_of`; only an ended task can be retried',
      path: TaskPath,
      problems: ['conflict', 'not_found'],
    }),
    async handler(c) {
      const task = await findTask(api, c, 'listed');
      if (!isEnd(task.status)) {
        throw new TaskError('conflict', 'The task has not ended; only an ended task can be retried.');
      }
      return accept(api, c, await retryRequest(api, c, task));
    },
  });
}
