/** `GET /tasks`: the owner's tasks, page by page. */
import { partitionOf } from '@beanline/shared/task-id.ts';
import { Status, taskJson } from '@beanline/shared/task-view.ts';
import { listTasks } from '@beanline/shared/tasks/list-tasks.ts';
import { z } from 'zod';
import type { Api } from '../../http/context.ts';
import { parseQuery, whole } from '../../http/query.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { TaskList } from '../../openapi/answers.ts';
import { json } from '../../openapi/operation.ts';
import { TAG } from './task-path.ts';

const listQuery = ({ catalog, partitions }: Api['deps']) =>
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

export function listTasksRoute(app: App, { deps }: Api) {
  const ListQuery = listQuery(deps);
  route(app, {
    method: 'get',
    path: '/tasks',
    operation: {
      operationId: 'listTasks',
      summary: 'Your tasks, newest first, without their outputs',
      tag: TAG,
      query: ListQuery,
      answers: {
        200: {
          ...json('A page; of a filtered list it may be short', TaskList),
          links: { next: { operationId: 'listTasks', parameters: { cursor: '$response.body#/next_cursor' } } },
        },
      },
    },
    async handler(c) {
      const { type, status, limit, cursor } = parseQuery(ListQuery, c);
      const page = await listTasks(deps, c.get('owner'), { type, status, limit, before: cursor ?? null });
      const body = page.tasks.map((task) => taskJson(task, deps.clock.now(), 'listed')).join(',');
      const incomplete = page.incomplete ? ',"incomplete":true' : '';
      return replyJson(c, 200, `{"tasks":[${body}],"next_cursor":${JSON.stringify(page.next)}${incomplete}}`);
    },
  });
}
