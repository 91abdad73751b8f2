/** `POST /tasks/<id>/cancel`. */
import { allows } from '@beanline/shared/owner.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { cancelTask } from '@beanline/shared/tasks/cancel-task.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { CancelRequested } from '../../openapi/answers.ts';
import { json } from '../../openapi/operation.ts';
import { findTask, replyTask, TAG, TaskPath, taskAnswer } from './task-path.ts';

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
        200: taskAnswer(api, 'The task had ended before'),
        202: json('It is cancelled, or its attempt is told to stop', CancelRequested),
      },
      problems: ['not_found', 'gone'],
    },
    async handler(c) {
      // A key that may not read learns how it ended, not what came out.
      const place = allows(c.get('caller').scopes, 'read') ? 'whole' : 'listed';
      const task = await findTask(api, c, place);
      if (isEnd(task.status)) return replyTask(api, c, task, place);
      const verdict = await cancelTask(api.deps, task);
      if (verdict.verdict === 'cancelled' || verdict.verdict === 'requested') {
        const status = verdict.verdict === 'cancelled' ? 'cancelled' : 'in_progress';
        const at = new Date(verdict.at).toISOString();
        return replyJson(c, 202, { task_id: task.id, status, cancel_requested_at: at } satisfies CancelRequested);
      }
      return replyTask(api, c, await findTask(api, c, place), place);
    },
  });
}
