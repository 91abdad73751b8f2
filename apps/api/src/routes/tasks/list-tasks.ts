/** `GET /tasks`: the owner's tasks, page by page. */
import { OwnerName } from '@beanline/shared/owner.ts';
import { partitionOf } from '@beanline/shared/task-id.ts';
import { Status, taskJson } from '@beanline/shared/task-view.ts';
import { listTasks } from '@beanline/shared/tasks/list-tasks.ts';
import { z } from 'zod';
import { requireScope } from '../../http/access/authenticate.ts';
import { invalid } from '../../http/bad-fields.ts';
import type { Api } from '../../http/context.ts';
import { parseQuery, whole } from '../../http/query.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { time } from '../../http/time.ts';
import { TaskList } from '../../openapi/answers.ts';
import { listedTask } from '../../openapi/examples.ts';
import { json } from '../../openapi/operation.ts';
import { TAG } from './task-path.ts';

const listQuery = ({ catalog, partitions }: Api['deps']) =>
  z.object({
    type: z.enum([...catalog.keys()], 'there is no job type of this name').optional(),
    status: Status.optional(),
    limit: whole(1, 200).default(50),
    created_after: time().optional().meta({ description: 'Created at this time or later' }),
    created_before: time().optional().meta({ description: 'Created before this time' }),
    owner: OwnerName.optional().meta({ description: "Another owner's tasks, for a key with the scope `admin`" }),
    cursor: z
      .string()
      .refine((id) => partitionOf(id, partitions) !== null, 'must be a next_cursor of this list')
      .optional()
      .meta({ description: 'The next_cursor of the page before' }),
  });

const METADATA = 'metadata.';

/** `metadata.<name>=<value>`, as often as there are names, and what else is asked. */
function splitMetadata(query: Record<string, string[]>) {
  const metadata: [string, string][] = [];
  const others: [string, string][] = [];
  for (const [name, [value = '', ...more]] of Object.entries(query)) {
    if (!name.startsWith(METADATA)) others.push([name, value]);
    else if (more.some((other) => other !== value)) throw invalid({ path: name, message: 'has one value in a task' });
    else metadata.push([name.slice(METADATA.length), value]);
  }
  return {
    metadata: metadata.length > 0 ? Object.fromEntries(metadata) : undefined,
    others: Object.fromEntries(others),
  };
}

export function listTasksRoute(app: App, { deps }: Api) {
  const ListQuery = listQuery(deps);
  route(app, {
    method: 'get',
    path: '/tasks',
    operation: {
      operationId: 'listTasks',
      summary: 'Your tasks, newest first, without their outputs',
      description:
        '`metadata.<name>=<value>` finds tasks that were submitted with this pair; several must all be there.',
      tag: TAG,
      query: ListQuery,
      queryPrefix: METADATA,
      answers: {
        200: {
          ...json('A page; of a filtered list it may be short', TaskList, { tasks: [listedTask], next_cursor: null }),
          links: { next: { operationId: 'listTasks', parameters: { cursor: '$response.body#/next_cursor' } } },
        },
      },
    },
    async handler(c) {
      const { metadata, others } = splitMetadata(c.req.queries());
      const {
        cursor,
        created_after,
        created_before,
        owner = c.get('owner'),
        ...query
      } = parseQuery(ListQuery, c, others);
      if (owner !== c.get('owner')) requireScope(c, 'admin');
      const page = await listTasks(deps, owner, {
        ...query,
        metadata,
        createdAfter: created_after,
        createdBefore: created_before,
        before: cursor ?? null,
      });
      const body = page.tasks.map((task) => taskJson(task, deps.clock.now(), 'listed')).join(',');
      const incomplete = page.incomplete ? ',"incomplete":true' : '';
      return replyJson(c, 200, `{"tasks":[${body}],"next_cursor":${JSON.stringify(page.next)}${incomplete}}`);
    },
  });
}
