/** `GET /tasks/<id>/events`: the task's events as SSE, from the beginning or after a cursor. */
import { TaskError } from '@beanline/shared/errors.ts';
import { Cursor, compareIds, START } from '@beanline/shared/event.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Hono } from 'hono';
import { invalid } from '../body.ts';
import type { Api, ApiContext, ApiEnv } from '../context.ts';
import { reply } from '../reply.ts';
import { askToComeBack, isEventSource, STREAM_HEADERS, streamEvents } from '../sse.ts';
import { findTask } from './tasks.ts';

/** The cursor of a request. The header beats the query: a reconnecting EventSource repeats its old URL. */
function cursorOf(c: ApiContext): string {
  const header = c.req.header('last-event-id');
  const given = header || c.req.query('after');
  if (given === undefined) return START;
  const parsed = Cursor.safeParse(given);
  if (parsed.success) return parsed.data;
  throw invalid([{ path: header ? 'Last-Event-ID' : 'after', message: 'must be an event id such as 1-7' }]);
}

export function eventRoutes(app: Hono<ApiEnv>, api: Api) {
  app.get('/tasks/:id/events', async (c) => {
    const cursor = cursorOf(c);
    const task = await findTask(api, c, 'listed').catch((error: unknown) => {
      if (error instanceof TaskError && error.code === 'unavailable' && isEventSource(c)) return null;
      throw error;
    });
    if (!task) return askToComeBack(c);
    if (isEnd(task.status) && compareIds(cursor, task.lastId) >= 0) return reply(c, 204, null);
    if (c.env.incoming.method === 'HEAD') return reply(c, 200, null, STREAM_HEADERS);
    streamEvents(api, c, api.streams.open(c.get('caller')), task, cursor);
    return RESPONSE_ALREADY_SENT;
  });
}
