/** Tasks: read, list, cancel. */
import { cancelTask } from '@beanline/shared/cancel-task.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { Cursor } from '@beanline/shared/event.ts';
import { allows } from '@beanline/shared/owner.ts';
import { isEnd, statusAt, statuses, type TaskRecord, taskJson } from '@beanline/shared/task.ts';
import { partitionOf } from '@beanline/shared/task-id.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import { unauthorized } from '../access.ts';
import { fieldErrors, invalid } from '../body.ts';
import type { Api, ApiContext, ApiEnv } from '../context.ts';
import { reply, replyJson } from '../reply.ts';
import { hasMoved, waitForEvent } from '../wait.ts';

/** Records looked at for one page of a filtered list; a page may then be short, with a cursor to go on. */
const MAX_SCANNED = 2_000;
/** Records read at once for a filtered list, however short its pages. */
const FILTERED_PAGE = 100;

const whole = (max: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().max(max));

const ReadQuery = z.object({ wait: whole(60).default(0), after: Cursor.optional() });

function parseQuery<Schema extends z.ZodType>(schema: Schema, c: ApiContext): z.output<Schema> {
  const parsed = schema.safeParse(c.req.query());
  if (!parsed.success) throw invalid(fieldErrors(parsed.error));
  return parsed.data;
}

/** The task of the path, of this owner. An unknown id and a foreign one answer the same. `listed` leaves out the output. */
export async function findTask({ deps }: Api, c: ApiContext, place: 'whole' | 'listed' = 'whole'): Promise<TaskRecord> {
  const task = await deps.clock.guard(() => deps.tasks.read(c.get('owner'), c.req.param('id') ?? '', place));
  if (!task) throw new TaskError('not_found', 'There is no such task.');
  return task;
}

export function taskRoutes(app: Hono<ApiEnv>, api: Api) {
  const { deps } = api;
  const { clock, tasks, catalog } = deps;

  const ListQuery = z.object({
    type: z
      .string()
      .refine((name) => catalog.has(name), 'there is no job type of this name')
      .optional(),
    status: z.enum(statuses).optional(),
    limit: whole(200).pipe(z.number().min(1)).default(50),
    cursor: z
      .string()
      .refine((id) => partitionOf(id, deps.partitions) !== null, 'must be a next_cursor of this list')
      .optional(),
  });

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
      await waitForEvent(api, task, from, wait * 1_000, c.req.raw.signal, (type) => type !== 'text');
      if (!(await api.access.isValid(c.get('caller')))) throw unauthorized();
      task = await findTask(api, c);
    }
    if (tags.includes(task.lastStateId)) return reply(c, 304, null, { ETag: `"${task.lastStateId}"` });
    return answer(c, task);
  });

  app.get('/tasks', async (c) => {
    const { type, status, limit, cursor } = parseQuery(ListQuery, c);
    const now = clock.now();
    const found: TaskRecord[] = [];
    const pageSize = type || status ? Math.max(limit, FILTERED_PAGE) : limit;
    let before = cursor ?? null;
    let more = true;
    for (let scanned = 0; found.length < limit && more && scanned < MAX_SCANNED; ) {
      const page = await clock.guard(() => tasks.list(c.get('owner'), pageSize, before));
      scanned += page.ids.length;
      more = page.ids.length === pageSize;
      for (const task of page.tasks) {
        if (found.length === limit) break;
        if ((!type || task.type === type) && (!status || statusAt(task, now) === status)) found.push(task);
        before = task.id;
      }
      if (found.length < limit) before = page.ids.at(-1) ?? before;
      else more = more || before !== page.ids.at(-1);
    }
    const body = found.map((task) => taskJson(task, now, 'listed')).join(',');
    return replyJson(c, 200, `{"tasks":[${body}],"next_cursor":${JSON.stringify(more ? before : null)}}`);
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
      return replyJson(c, 202, { task_id: task.id, status, cancel_requested_at: at });
    }
    return answer(c, await findTask(api, c, place), place);
  });
}
