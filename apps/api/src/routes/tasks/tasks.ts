/** Tasks: read, list, cancel. */

import { EventId } from '@beanline/shared/event.ts';
import { allows } from '@beanline/shared/owner.ts';
import { isEnd, type TaskRecord, taskJson } from '@beanline/shared/task.ts';
import { partitionOf } from '@beanline/shared/task-id.ts';
import { Status } from '@beanline/shared/task-view.ts';
import { cancelTask } from '@beanline/shared/tasks/cancel-task.ts';
import { listTasks } from '@beanline/shared/tasks/list-tasks.ts';
import { type FoundTask, readTask } from '@beanline/shared/tasks/read-task.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import { unauthorized } from '../../http/access.ts';
import type { Api, ApiContext, ApiEnv } from '../../http/context.ts';
import { parseQuery, whole } from '../../http/query.ts';
import { reply, replyJson } from '../../http/reply.ts';
import { hasMoved, waitForEvent } from '../../http/wait.ts';
import { CancelRequested, TaskList } from '../../openapi/answers.ts';
import {
  answerHeaders,
  headersWith,
  json,
  ownerProblems,
  type Paths,
  problems,
  requestHeaders,
  TAGS,
  TaskPath,
} from '../../openapi/operation.ts';

const ReadQuery = z.object({
  wait: whole(0, 60).default(0).meta({ description: 'Seconds to wait for the next change' }),
  after: EventId.optional().meta({ description: 'The last event seen; answers at once if the task has moved on' }),
});

type Described = Pick<Api['deps'], 'catalog' | 'partitions'>;

const listQuery = ({ catalog, partitions }: Described) =>
  z.object({
    type: z.enum([...catalog.keys()], 'there is no job type of this name').optional(),
    status: Status.optional(),
    limit: whole(1, 200).default(50),
    cursor: z
      .string()
      .refine((id) => partitionOf(id, partitions) !== null, 'must be a next_cursor of this list')
      .optional()
      .meta({ description: 'The next_cursor of the page before' }),
  });

/** The task of the path, of this owner. An unknown id and a foreign one answer the same. `listed` leaves out the output. */
export function findTask({ deps }: Api, c: ApiContext, place: 'whole' | 'listed' = 'whole'): Promise<FoundTask> {
  return readTask(deps, c.get('owner'), c.req.param('id') ?? '', place);
}

/** Events that change what a poll answers. */
const isMove = (type: string) => type !== 'text' && type !== 'gap';

export function taskRoutes(app: Hono<ApiEnv>, api: Api) {
  const { deps } = api;
  const { clock } = deps;

  const ListQuery = listQuery(deps);

  const answer = (c: ApiContext, task: TaskRecord, place: 'whole' | 'listed' = 'whole') =>
    replyJson(c, 200, taskJson(task, clock.now(), place), {
      ETag: `"${task.lastStateId}"`,
      'Cache-Control': 'no-cache',
    });

  app.get('/tasks/:id', async (c) => {
    const { wait, after } = parseQuery(ReadQuery, c);
    const tags = [...(c.req.header('if-none-match') ?? '').matchAll(/"(\d{1,15}-\d{1,15})"/g)].map(
      ([, tag = '']) => tag,
    );
    const seen = after ?? tags[0];
    let task = await findTask(api, c);
    if (wait > 0 && !isEnd(task.status) && !(seen !== undefined && hasMoved(task, seen))) {
      const from = seen ?? task.lastId;
      await waitForEvent(api, c.get('caller'), task, from, wait * 1_000, c.req.raw.signal, isMove);
      if (!(await api.access.isValid(c.get('caller')))) throw unauthorized();
      task = await findTask(api, c);
    }
    if (tags.includes(task.lastStateId)) return reply(c, 304, null, { ETag: `"${task.lastStateId}"` });
    return answer(c, task);
  });

  app.get('/tasks', async (c) => {
    const { type, status, limit, cursor } = parseQuery(ListQuery, c);
    const page = await listTasks(deps, c.get('owner'), { type, status, limit, before: cursor ?? null });
    const body = page.tasks.map((task) => taskJson(task, clock.now(), 'listed')).join(',');
    const incomplete = page.incomplete ? ',"incomplete":true' : '';
    return replyJson(c, 200, `{"tasks":[${body}],"next_cursor":${JSON.stringify(page.next)}${incomplete}}`);
  });

  app.post('/tasks/:id/cancel', async (c) => {
    // A key that may not read learns how it ended, not what came out.
    const place = allows(c.get('caller').scopes, 'read') ? 'whole' : 'listed';
    const task = await findTask(api, c, place);
    if (isEnd(task.status)) return answer(c, task, place);
    const verdict = await cancelTask(deps, task);
    if (verdict.verdict === 'cancelled' || verdict.verdict === 'requested') {
      const status = verdict.verdict === 'cancelled' ? 'cancelled' : 'in_progress';
      const at = new Date(verdict.at).toISOString();
      return replyJson(c, 202, { task_id: task.id, status, cancel_requested_at: at } satisfies CancelRequested);
    }
    return answer(c, await findTask(api, c, place), place);
  });
}

export function taskPaths(deps: Described, task: z.ZodType): Paths {
  const whole = (description: string) => json(description, task, { ETag: answerHeaders.etag });
  const header = z.object(requestHeaders);
  return {
    '/tasks': {
      get: {
        operationId: 'listTasks',
        summary: 'Your tasks, newest first, without their outputs',
        tags: [TAGS.tasks],
        requestParams: { header, query: listQuery(deps) },
        responses: {
          200: {
            ...json('A page; of a filtered list it may be short', TaskList),
            links: { next: { operationId: 'listTasks', parameters: { cursor: '$response.body#/next_cursor' } } },
          },
          ...problems(...ownerProblems),
        },
      },
    },
    '/tasks/{id}': {
      get: {
        operationId: 'readTask',
        summary: 'The task, at once or at its next change',
        tags: [TAGS.tasks],
        requestParams: {
          header: header.extend({
            'If-None-Match': z.string().optional().meta({ description: 'The ETag of an answer' }),
          }),
          path: TaskPath,
          query: ReadQuery,
        },
        responses: {
          200: whole('The task'),
          304: {
            description: 'Nothing but text has come since',
            headers: headersWith({ ETag: answerHeaders.etag }),
          },
          ...problems('not_found', 'gone', ...ownerProblems),
        },
      },
    },
    '/tasks/{id}/cancel': {
      post: {
        operationId: 'cancelTask',
        summary: 'Cancels the task, in any open state',
        tags: [TAGS.tasks],
        requestParams: { header, path: TaskPath },
        responses: {
          200: whole('The task had ended before'),
          202: json('It is cancelled, or its attempt is told to stop', CancelRequested),
          ...problems('not_found', 'gone', ...ownerProblems),
        },
      },
    },
  };
}
