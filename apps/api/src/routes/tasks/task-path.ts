/** What the routes of one task share: its place, how it is found, and how it is answered. */
import { allows } from '@beanline/shared/owner.ts';
import type { TaskRecord } from '@beanline/shared/task.ts';
import { statusAt, taskUrls } from '@beanline/shared/task-view.ts';
import { type FoundTask, readTask } from '@beanline/shared/tasks/read-task.ts';
import { taskOwner } from '@beanline/shared/tasks/task-owner.ts';
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import type { Api, ApiContext } from '../../http/context.ts';
import type { Accepted } from '../../openapi/answers.ts';
import { task } from '../../openapi/examples.ts';
import { taskOf } from '../../openapi/job-types.ts';
import { answerHeaders, json } from '../../openapi/operation.ts';

export const TAG = 'Tasks';

export const TaskPath = z.object({
  id: z
    .string()
    .min(1)
    .meta({ description: 'The task', param: { id: 'id' } }),
});

/** Where the task of an answer goes on. */
export function taskLinks(id: string): NonNullable<ZodOpenApiResponseObject['links']> {
  const operations = { read: 'readTask', events: 'readEvents', cancel: 'cancelTask', retry: 'retryTask' };
  return Object.fromEntries(
    Object.entries(operations).map(([name, operationId]) => [name, { operationId, parameters: { id } }]),
  );
}

/**
 * The task of the path, or of an id that stands elsewhere: of this owner, or of any for a key with the scope `admin`. An unknown id and a foreign one answer the
 * same. `listed` leaves out the output.
 */
export async function findTask(
  { deps }: Api,
  c: ApiContext,
  place: 'whole' | 'listed' = 'whole',
  id = c.req.param('id') ?? '',
): Promise<FoundTask> {
  const owner = allows(c.get('caller').scopes, 'admin') ? await taskOwner(deps, id) : null;
  return readTask(deps, owner ?? c.get('owner'), id, place);
}

/** What a key that may not read learns of a task: how it stands. */
export const acceptedOf = (task: TaskRecord, now: number): Accepted => ({
  task_id: task.id,
  type: task.type,
  status: statusAt(task, now),
  created_at: new Date(task.createdAt).toISOString(),
  urls: taskUrls(task.id),
});

/** A task as an answer, as the document has it. */
export const taskAnswer = ({ deps }: Api, description: string) =>
  json(description, taskOf(deps.catalog), task, { ETag: answerHeaders.etag });
