/** `GET /tasks/<id>`: the task, at once or at its next change. */
import { EventId } from '@beanline/shared/event.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { readRequest } from '@beanline/shared/tasks/read-request.ts';
import { z } from 'zod';
import { unauthorized } from '../../http/access/access.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery, whole } from '../../http/query.ts';
import { reply } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { hasMoved, waitForEvent } from '../../http/wait.ts';
import { answerHeaders, none, requestHeaders } from '../../openapi/operation.ts';
import { findWhole, replyTask } from './task-answer.ts';
import { findTask, TAG, TaskPath, taskAnswer } from './task-path.ts';

const ReadQuery = z.object({
  wait: whole(0, 60).default(0).meta({ description: 'Seconds to wait for the next change' }),
  after: EventId.optional().meta({ description: 'The last event seen; answers at once if the task has moved on' }),
  include: z.enum(['input'], 'must be input').optional().meta({ description: '`input`: the task with its input' }),
});

/** Events that change what a poll answers. */
const isMove = (type: string) => type !== 'text' && type !== 'gap';

export function readTaskRoute(app: App, api: Api) {
  route(app, {
    method: 'get',
    path: '/tasks/{id}',
    operation: {
      operationId: 'readTask',
      summary: 'The task, at once or at its next change',
      tag: TAG,
      path: TaskPath,
      query: ReadQuery,
      header: z.object({
        ...requestHeaders,
        'If-None-Match': z.string().optional().meta({ description: 'The ETag of an answer' }),
      }),
      answers: {
        200: taskAnswer(api, 'The task'),
        304: none('Nothing but text has come since', { ETag: answerHeaders.etag }),
      },
      problems: ['not_found', 'gone'],
    },
    async handler(c) {
      const { wait, after, include } = parseQuery(ReadQuery, c);
      const tags = [...(c.req.header('if-none-match') ?? '').matchAll(/"(\d{1,15}-\d{1,15})"/g)].map(
        ([, tag = '']) => tag,
      );
      const seen = after ?? tags[0];
      const find = async () => (include === 'input' ? { task: await findTask(api, c) } : findWhole(api, c));
      let found = await find();
      const { task } = found;
      if (wait > 0 && !isEnd(task.status) && !(seen !== undefined && hasMoved(task, seen))) {
        const from = seen ?? task.lastId;
        await waitForEvent(api, c, task, from, wait * 1_000, isMove);
        if (!(await api.access.isValid(c.get('caller')))) throw unauthorized();
        found = await find();
      }
      const { lastStateId } = found.task;
      if (tags.includes(lastStateId)) return reply(c, 304, null, { ETag: `"${lastStateId}"` });
      const input = include === 'input' ? ((await readRequest(api.deps, found.task))?.input ?? 'null') : undefined;
      return replyTask(api, c, { ...found, input });
    },
  });
}
