/** `POST /tasks/<id>/cancel`. */
import { allows } from '@beanline/shared/owner.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { cancelTask } from '@beanline/shared/tasks/cancel-task.ts';
import { z } from 'zod';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { Accepted, CancelRequested } from '../../openapi/answers.ts';
import { cancelRequested, task as taskExample } from '../../openapi/examples.ts';
import { taskOf } from '../../openapi/job-types.ts';
import { answerHeaders, json } from '../../openapi/operation.ts';
import { findWhole, replyTask } from './task-answer.ts';
import { acceptedOf, findTask, TAG, TaskPath } from './task-path.ts';

export function cancelTaskRoute(app: App, api: Api) {
  route(app, {
    method: 'post',
    path: '/tasks/{id}/cancel',
    operation: {
      operationId: 'cancelTask',
      summary: 'Cancels the task, in any open state',
      tag: TAG,
      path: TaskPath,
      answers: {
        200: json(
          'The task had ended before; to a key without the scope `read`, no more than how',
          z.union([taskOf(api.deps.catalog), Accepted]),
          taskExample,
          { ETag: answerHeaders.etag.optional() },
        ),
        202: json('It is cancelled, or its attempt is told to stop', CancelRequested, cancelRequested),
      },
      problems: ['not_found', 'gone'],
    },
    async handler(c) {
      const mayRead = allows(c.get('caller').scopes, 'read');
      const find = () => findTask(api, c, 'listed');
      const answer = async () =>
        mayRead
          ? replyTask(api, c, await findWhole(api, c))
          : replyJson(c, 200, acceptedOf(await find(), api.deps.clock.now()));
      const task = await find();
      if (isEnd(task.status)) return answer();
      const verdict = await cancelTask(api.deps, task);
      if (verdict.verdict === 'cancelled' || verdict.verdict === 'requested') {
        const status = verdict.verdict === 'cancelled' ? 'cancelled' : 'in_progress';
        const at = new Date(verdict.at).toISOString();
        return replyJson(c, 202, { task_id: task.id, status, cancel_requested_at: at } satisfies CancelRequested);
      }
      return answer();
    },
  });
}
